"""Files read as text: which format one has, and its words in Markdown. Files of strangers are read in a process of their own."""
