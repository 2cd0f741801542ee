"""What others build on: schemas as they were released, what a change of them breaks, and the documents to publish."""
