"""Trust: whether the stores of an image would accept a server's certificate. Pure: values in, values out."""
