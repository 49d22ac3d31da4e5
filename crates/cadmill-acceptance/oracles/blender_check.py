"""Imports a USD file into Blender (as the Python module `bpy`) and writes one JSON object to a file.

usage: blender_check.py FILE.usdz ANSWER.json

Blender itself prints to standard output: warnings, and how long an import took.

    objects    number of objects, those of collections that are only instanced included
    meshes     for each mesh object the names of its materials
    instances  for each object that instances a collection: the collection, and the materials and
               the mesh data of what it shows
    shown      number of meshes that are drawn, each instance counted
    materials  for each material its base colour with alpha, metallic and roughness
"""

import json
import sys

import bpy


def main():
    source, answer = sys.argv[1:]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.usd_import(filepath=source)
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(describe(), file)


def describe():
    instances = {}
    for instance in bpy.data.objects:
        collection = instance.instance_collection
        if collection:
            shown = [one for one in collection.all_objects if one.type == "MESH"]
            instances[instance.name] = {
                "collection": collection.name,
                "materials": [name for one in shown for name in material_names(one)],
                "data": [one.data.name for one in shown],
            }
    drawn = bpy.context.evaluated_depsgraph_get().object_instances
    return {
        "objects": len(bpy.data.objects),
        "meshes": {
            one.name: material_names(one) for one in bpy.data.objects if one.type == "MESH"
        },
        "instances": instances,
        "shown": sum(one.object.type == "MESH" for one in drawn),
        "materials": {material.name: surface(material) for material in bpy.data.materials},
    }


def material_names(mesh):
    return [slot.material.name if slot.material else None for slot in mesh.material_slots]


def surface(material):
    nodes = material.node_tree.nodes if material.node_tree else []
    for node in nodes:
        if node.type == "BSDF_PRINCIPLED":
            value = {entry.name: entry.default_value for entry in node.inputs}
            return {
                "color": [*value["Base Color"][:3], value["Alpha"]],
                "metallic": value["Metallic"],
                "roughness": value["Roughness"],
            }
    return None


if __name__ == "__main__":
    main()
