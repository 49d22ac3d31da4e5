"""Opens a USD file with usd-core and writes what it holds to a file, as one JSON object.

usage: usd_check.py FILE.usdz ANSWER.json

    composition_errors   what did not compose, as texts
    validation_errors    what the validators of USD call an error, as texts
    validation_warnings  what they call a warning
    default_prim, kind, up_axis, metres_per_unit, source_hash
    prims                all prims, those within instances included
    occurrences          prims with an occurrence key
    instances            instance prims
    prototypes           prototypes that USD made of them
    parts                distinct part keys on instances
    meshes               meshes, those within instances included
    triangles            their triangles
    volume_m3            their signed volume: positive if the faces look outwards, mirrored or not;
                         of an open mesh what it encloses with the origin of the world
    area_m2, bbox        of all of them, in world space
    display_names        the display names of all prims, sorted
    materials            for each occurrence key the materials of its meshes, by display name
    colors               for each material its diffuse colour and opacity
"""

import json
import sys

import numpy
from pxr import Usd, UsdGeom, UsdShade, UsdValidation


def main():
    source, answer = sys.argv[1:]
    stage = Usd.Stage.Open(source)
    instance_proxies = Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate)
    prims = list(Usd.PrimRange(stage.GetPseudoRoot(), instance_proxies))[1:]
    instances = [prim for prim in prims if prim.IsInstance()]
    meshes = [UsdGeom.Mesh(prim) for prim in prims if prim.IsA(UsdGeom.Mesh)]
    errors, warnings = validate(stage)
    default_prim = stage.GetDefaultPrim()
    result = {
        "composition_errors": [str(error) for error in stage.GetCompositionErrors()],
        "validation_errors": errors,
        "validation_warnings": warnings,
        "default_prim": default_prim.GetName(),
        "kind": Usd.ModelAPI(default_prim).GetKind(),
        "up_axis": UsdGeom.GetStageUpAxis(stage),
        "metres_per_unit": UsdGeom.GetStageMetersPerUnit(stage),
        "source_hash": own_data(default_prim, "sourceHash"),
        "prims": len(prims),
        "occurrences": sum(own_data(prim, "occurrenceKey") is not None for prim in prims),
        "instances": len(instances),
        "prototypes": len(stage.GetPrototypes()),
        "parts": len({own_data(prim, "partKey") for prim in instances}),
        "meshes": len(meshes),
        "display_names": sorted({prim.GetDisplayName() for prim in prims} - {""}),
        "materials": materials(meshes),
        "colors": colors(prims),
    }
    result.update(measure(meshes))
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(result, file)


def own_data(prim, key):
    return prim.GetCustomDataByKey("cadmill:" + key)


def validate(stage):
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    errors, warnings = [], []
    for error in UsdValidation.ValidationContext(validators).Validate(stage):
        is_error = error.GetType() == UsdValidation.ValidationErrorType.Error
        sites = ", ".join(site_name(site) for site in error.GetSites())
        text = f"{error.GetName()} at {sites}: {error.GetMessage()}"
        (errors if is_error else warnings).append(text)
    return errors, warnings


def site_name(site):
    for get in (site.GetPrim, site.GetProperty):
        if found := get():
            return str(found.GetPath())
    return "the stage"


def materials(meshes):
    found = {}
    for mesh in meshes:
        occurrence = mesh.GetPrim()
        while occurrence and own_data(occurrence, "occurrenceKey") is None:
            occurrence = occurrence.GetParent()
        binding = UsdShade.MaterialBindingAPI(mesh)
        bound = [subset.GetPrim() for subset in binding.GetMaterialBindSubsets()]
        names = []
        for prim in bound or [mesh.GetPrim()]:
            material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
            names.append(material.GetPrim().GetDisplayName() if material else None)
        key = own_data(occurrence, "occurrenceKey") if occurrence else ""
        found.setdefault(key, []).extend(names)
    return found


def colors(prims):
    found = {}
    for material in (UsdShade.Material(prim) for prim in prims if prim.IsA(UsdShade.Material)):
        surface, _, _ = material.ComputeSurfaceSource()
        color = surface.GetInput("diffuseColor").Get()
        opacity = surface.GetInput("opacity").Get()
        found[material.GetPrim().GetDisplayName()] = [*color, opacity]
    return found


def measure(meshes):
    transforms = UsdGeom.XformCache()
    shapes = {}
    triangles, volume, area = 0, 0.0, 0.0
    low, high = numpy.full(3, numpy.inf), numpy.full(3, -numpy.inf)
    for mesh in meshes:
        # Instances share the points of their prototype.
        source = mesh.GetPrim().GetPrimInPrototype() or mesh.GetPrim()
        if source not in shapes:
            shapes[source] = shape(mesh)
        points, corners, local_area = shapes[source]
        matrix = numpy.array(transforms.GetLocalToWorldTransform(mesh.GetPrim()))
        axes = matrix[:3, :3]
        determinant = numpy.linalg.det(axes)
        scale = abs(determinant) ** (1 / 3)
        if not numpy.allclose(axes @ axes.T, scale**2 * numpy.eye(3), atol=1e-6 * scale**2):
            raise ValueError(f"{mesh.GetPath()} is sheared or stretched")
        world = points @ axes + matrix[3, :3]
        low, high = numpy.minimum(low, world.min(0)), numpy.maximum(high, world.max(0))
        a, b, c = (world[corners[:, corner]] for corner in range(3))
        triangles += len(corners)
        # Who draws a mirrored mesh turns its faces around, so its volume keeps its sign.
        volume += numpy.sign(determinant) * numpy.einsum("ij,ij->", a, numpy.cross(b, c)) / 6
        area += local_area * scale**2
    bbox = {"min": list(low), "max": list(high)} if shapes else None
    return {"triangles": triangles, "volume_m3": volume, "area_m2": area, "bbox": bbox}


def shape(mesh):
    """The points, the corners of the triangles, and their area."""
    points = numpy.array(mesh.GetPointsAttr().Get(), dtype=float)
    counts = numpy.array(mesh.GetFaceVertexCountsAttr().Get())
    if (counts != 3).any():
        raise ValueError(f"{mesh.GetPath()} has faces that are no triangles")
    corners = numpy.array(mesh.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)
    if mesh.GetOrientationAttr().Get() == UsdGeom.Tokens.leftHanded:
        corners = corners[:, ::-1]
    a, b, c = (points[corners[:, corner]] for corner in range(3))
    area = numpy.linalg.norm(numpy.cross(b - a, c - a), axis=1).sum() / 2
    return points, corners, area


if __name__ == "__main__":
    main()
