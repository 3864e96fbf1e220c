"""The command completion: a script that completes commands, options and file names in bash and zsh.

Values: a shell's name in, its script on stdout out; commands and options are those of the parser.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from mmip_gpu.cli.parser import build_parser

__all__ = ["completion"]

_BASH = """\
_mmip() {{
  local words
  case "${{COMP_WORDS[*]:1:COMP_CWORD-1}}" in
{cases}
    *) words="{commands} --help --version" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
  [[ $COMP_CWORD -gt 1 ]] && COMPREPLY+=($(compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o filenames -F _mmip mmip"""


def completion(args: Namespace) -> None:
    """Print the script; `eval "$(mmip completion bash)"` in a start file makes it hold."""
    parser = build_parser()
    commands = _commands(parser)
    cases = []
    for name, command in commands.items():
        figures = _commands(command)
        cases += [f'    "{name} {figure}"*) words="{_words(found)}" ;;' for figure, found in figures.items()]
        cases.append(f'    "{name}"*) words="{" ".join([_words(command), *figures])}" ;;')
    script = _BASH.format(cases="\n".join(cases), commands=" ".join(commands))
    print(f"autoload -U +X bashcompinit && bashcompinit\n{script}" if args.shell == "zsh" else script)


def _commands(parser: ArgumentParser) -> dict[str, ArgumentParser]:
    """Commands of a parser, by name."""
    found = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    return dict(found[0]) if found else getattr(parser, "words", {})


def _words(parser: ArgumentParser) -> str:
    """Options of a command, and the words that its arguments may be."""
    words = [flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")]
    words += [
        str(word)
        for action in parser._actions
        if action.choices and not action.option_strings and not isinstance(action.choices, dict)
        for word in action.choices
    ]
    return " ".join(words)
