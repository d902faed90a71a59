"""Models in an MLflow registry.

The files in reading order:

- `session`: which server is asked, for how long, and what a failure says
- `address`: looks up the address of a model
- `models`: loads a model by its address, and logs a model file
- `folder`: reads a downloaded model folder without running code from it
- `description`: reads the file MLmodel of such a folder
- `boosters`: reads boosters from files that hold only numbers
- `code`: runs the code of a folder whose files are trusted
- `function`: a model that only MLflow can call

The public names are in `holdfast.registry`.
"""
