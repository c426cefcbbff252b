"""Problems: what keeps a job from making its product."""


class JobProblem(RuntimeError):
    """Why a product cannot be made, in one line for a person."""
