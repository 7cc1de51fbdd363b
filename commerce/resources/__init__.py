from commerce.resources import activity, organizations

__all__ = ["activity", "organizations"]
