"""Tables of many images: a row of scores or codes for each image of a folder, a table or a tar file."""
