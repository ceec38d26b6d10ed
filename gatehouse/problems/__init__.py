"""Every refusal: one table of codes, one exception, one answer at every door."""

from .answers import problem_answer, problem_response
from .drf import exception_handler
from .middleware import ProblemMiddleware
from .problem import FieldError, Problem, validation
from .table import PROBLEMS, ProblemKind
from .views import csrf_failure, handler400, handler403, handler404, handler500

__all__ = [
    "PROBLEMS",
    "FieldError",
    "Problem",
    "ProblemKind",
    "ProblemMiddleware",
    "csrf_failure",
    "exception_handler",
    "handler400",
    "handler403",
    "handler404",
    "handler500",
    "problem_answer",
    "problem_response",
    "validation",
]
