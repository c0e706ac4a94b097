"""What recorded traffic would have done under another policy: decided again from metadata, by the parts that decide."""
