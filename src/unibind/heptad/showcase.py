"""What the demo shows of the test bed: a query, where it is searched, and items that are explained."""

QUERY, QUERY_LABEL = "A photo of a drum", "drum"
GALLERIES = ("event", "image")
EXPLAINED = (("audio", "bell"), ("thermal", "kettle"), ("point_cloud", "chair"))  # modality, label
