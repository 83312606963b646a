"""Files that people give: exports of Label Studio, and files of tasks made for an import."""
