"""Images that were JPEG files: found from their pixels, coded as the coefficients of the file, decoded exactly."""
