"""The models: values, names, and what is generated from them."""
