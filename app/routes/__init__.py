"""HTTP only: parse, call one function of ``explore``, wrap the bytes."""
