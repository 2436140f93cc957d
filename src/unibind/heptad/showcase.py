"""What the demo shows of the test bed: a query, where it is searched, items that are explained, what to try next."""

QUERY, QUERY_LABEL = "A photo of a drum", "drum"
GALLERIES = ("event", "image")
EXPLAINED = (("audio", "bell"), ("thermal", "kettle"), ("point_cloud", "chair"))  # modality, label
NEXT_QUERY = "something with strings"
