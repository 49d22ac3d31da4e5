"""Reads a STEP file into an XCAF document by the kernel's Python bindings."""

import sys

from OCP.collections import Sequence_TDF_Label
from OCP.IFSelect import IFSelect_RetDone
from OCP.STEPCAFControl import STEPCAFControl_Reader
from OCP.TCollection import TCollection_ExtendedString
from OCP.TDocStd import TDocStd_Document
from OCP.XCAFApp import XCAFApp_Application
from OCP.XCAFDoc import XCAFDoc_DocumentTool


def read_document(path):
    """The document of the file with its names and colours, and the shape tool, which needs it."""
    application = XCAFApp_Application.GetApplication_s()
    document = TDocStd_Document(TCollection_ExtendedString("BinXCAF"))
    application.InitDocument(document)
    reader = STEPCAFControl_Reader()
    reader.SetNameMode(True)
    reader.SetColorMode(True)
    reader.SetLayerMode(True)
    reader.SetMatMode(True)
    if reader.ReadFile(path) != IFSelect_RetDone:
        sys.exit(f"{path}: cannot be read")
    if not reader.Transfer(document):
        sys.exit(f"{path}: cannot be translated")
    shape_tool = XCAFDoc_DocumentTool.ShapeTool_s(document.Main())
    return document, shape_tool


def labels_of(fill):
    """The labels that `fill` puts into a sequence; they live as long as the sequence does."""
    labels = Sequence_TDF_Label()
    fill(labels)
    for index in range(1, labels.Length() + 1):
        yield labels.Value(index)


def free_labels(shape_tool):
    """The roots of the document."""
    return labels_of(shape_tool.GetFreeShapes)


def free_shapes(shape_tool):
    """The shapes of the roots."""
    return (shape_tool.GetShape_s(label) for label in free_labels(shape_tool))
