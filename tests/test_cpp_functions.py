"""The lengths of C++ functions that limits are held against: planted functions are found, with the lines that count."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.cpp_functions import MOST_KERNEL_LINES, MOST_LINES, Function, functions, long_functions, most_lines

PACKAGE = Path(__file__).parents[1] / "mmip_gpu"
STATEMENTS = "".join(f"    total += {i};\n" for i in range(50))


def found(text: str) -> list[tuple[str, int, int]]:
    return [(f.name, f.line, f.lines) for f in functions(text)]


def test_a_long_function_is_found(tmp_path: Path) -> None:
    source = tmp_path / "planted.cpp"
    source.write_text(f"int shorter() {{ return 1; }}\n\nint longer(int total) {{\n{STATEMENTS}    return total;\n}}\n")
    assert long_functions(source) == {"longer": 53}
    source.write_text(source.read_text().replace(STATEMENTS, STATEMENTS[: 37 * STATEMENTS.index("\n")]))
    assert long_functions(source) == {}


def test_kernels_may_be_longer(tmp_path: Path) -> None:
    folder = tmp_path / "device" / "kernels"
    folder.mkdir(parents=True)
    source = folder / "planted.h"
    source.write_text(f"void kernel(int total) {{\n{STATEMENTS}}}\n")
    assert long_functions(source) == {}
    assert [most_lines(p) for p in (source, tmp_path / "a_kernels.h", tmp_path / "kernels_isa.cpp")] == [
        MOST_KERNEL_LINES,
        MOST_KERNEL_LINES,
        MOST_LINES,
    ]


def test_members_and_constructors() -> None:
    text = """namespace a {
template <class T, int n = (1 < 2)>
class C : public B<T> {
public:
    explicit C(int x) : x_{x}, y_(x) {
        go();
    }
    int x() const noexcept { return x_; }
    C& operator=(const C& other) {
        return *this;
    }

private:
    int x_ = {1};
    alignas(64) int y_{};
};
}  // namespace a
"""
    assert found(text) == [("C", 5, 3), ("x", 8, 1), ("operator=", 9, 3)]


def test_comments_blank_lines_and_tables_are_left_out() -> None:
    text = """int f(int i) {
    // a comment
    static const int table[] = {
        1, 2,
        3, 4,
    };

    /* another
       comment { */
    const char* brace = "} // {";
#if defined(X)
    ++i;
#endif
    return table[i];
}
"""
    assert found(text) == [("f", 1, 9)]


def test_a_lambda_counts_for_the_function_that_holds_it() -> None:
    inside = "void f() {\n    each([&](int i) {\n        go(i);\n    });\n}\n"
    assert found(inside) == [("f", 1, 5)]
    assert [f.lines for f in functions("const auto g = [](int i) {\n    return i;\n};\n")] == [3]


def test_tables_outside_of_functions_are_no_functions() -> None:
    assert found("constexpr Pair pairs[] = {\n    {f(1), 2},\n    {3, 4},\n};\nstruct S {\n    int a;\n};\n") == []


def test_a_brace_that_is_not_closed_is_an_error() -> None:
    with pytest.raises(ValueError, match="line 2: the brace is not closed"):
        list(functions("\nvoid f() {\n    if (x) {\n}\n"))


def test_every_file_of_the_package_is_understood() -> None:
    names: list[Function] = []
    for path in sorted(PACKAGE.rglob("*.[hc]*")):
        if path.suffix in (".h", ".cpp"):
            names += functions(path.read_text())
    assert len(names) > 1000
    assert {"read_token", "idct_line", "Chunk::run_analyze", "run_phases_of_group"} <= {f.name for f in names}
    assert [f for f in names if f.name == "?"] == []
