"""Old import path of the first releases' wrapper of an answer."""

from importer.leexport.rest_response import LeRestResponse

__all__ = ["LeRestResponse"]
