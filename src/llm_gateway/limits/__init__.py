"""The arithmetic of limits: values in, values out. Time comes in as microseconds."""
