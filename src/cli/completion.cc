// Completion for shells, out of what the commands declare.
#include <algorithm>
#include <fmt/format.h>
#include <string>

#include "cli/manual.h"
#include "cli/names.h"

namespace mmusim::cli {
namespace {

// What both shells ask the program for, by placeholder; of other words they know nothing.
std::string lists(const char* line) {
  std::string text;
  for (const Kind& kind : kinds())
    text += fmt::format(fmt::runtime(line), kind.placeholder, kind.list);
  return text + fmt::format(fmt::runtime(line), "KIND", "page-tables") +
         fmt::format(fmt::runtime(line), "FORMAT", "formats");
}

// In single quotes, for either shell.
std::string in_quotes(const std::string& text) {
  std::string out = "'";
  for (const char c : text)
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string names_below(const std::vector<DescribedCommand>& commands, const std::string& group) {
  std::string names;
  for (const DescribedCommand& command : commands) {
    if (!command.name.starts_with(group)) continue;
    const std::string name = command.name.substr(group.size());
    if (name.find(' ') == std::string::npos && !name.empty())
      names += (names.empty() ? "" : " ") + name;
  }
  return names;
}

constexpr const char* kBashBegin =
    R"sh(# bash completion of mmusim, made by 'mmusim completion bash'

# The first words of what 'mmusim list WHAT' prints at the beginning of lines.
_mmusim_list() {
  "$1" list "$2" 2>/dev/null </dev/null | sed -n '/:$/d; s/^\([^ ][^ ]*\).*/\1/p'
}

# _mmusim_names PROGRAM PLACEHOLDER: what may stand there, if it has names.
_mmusim_names() {
  local kind
  for kind in ${2//|/ }; do
    case $kind in
)sh";
constexpr const char* kBashMiddle = R"sh(    esac
  done
}

_mmusim() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local program=${COMP_WORDS[0]}
  # bash takes the = of --option=value for a word of its own.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  local command= below= options= values= positional= i
  for ((i = 1; i < COMP_CWORD && i <= 2; ++i)); do
    case "$command ${COMP_WORDS[i]}" in
)sh";
constexpr const char* kBashEnd = R"sh(  esac
  if [[ -n $below ]]; then
    COMPREPLY=($(compgen -W "$below --help" -- "$current"))
    return
  fi
  local expected=$positional value
  for value in $values; do
    [[ $previous != "${value%%=*}" ]] || expected=${value#*=}
  done
  if [[ $current == --*.* ]]; then
    [[ $(type -t compopt) != builtin ]] || compopt -o nospace 2>/dev/null
    COMPREPLY=($(compgen -W "$("$program" list keys 2>/dev/null </dev/null |
      sed -n 's/^\([^ ]*\) = .*/--\1=/p')" -- "$current"))
    return
  elif [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
    return
  fi
  # Of a list, what stands behind the last comma.
  local before=
  if [[ $expected == *,... ]]; then
    expected=${expected%,...}
    [[ $current != *,* ]] || before=${current%,*},
  fi
  COMPREPLY=($(compgen -P "$before" -W "$(_mmusim_names "$program" "$expected")" \
    -- "${current#"$before"}"))
  case "|$expected|" in
    *'|DIR|'*) COMPREPLY+=($(compgen -d -- "$current")) ;;
    *'|FILE|'* | *'|TRACE|'* | *'|SCRIPT|'* | *'|CONFIG|'* | *'|SWEEP|'*)
      COMPREPLY+=($(compgen -f -- "$current"))
      ;;
  esac
}
complete -o filenames -F _mmusim mmusim
)sh";

constexpr const char* kZshBegin = R"sh(#compdef mmusim
# zsh completion of mmusim, made by 'mmusim completion zsh'

# _mmusim_value PLACEHOLDER: what may stand there.
_mmusim_value() {
  local kind list
  local -a names
  for kind in ${(s:|:)1%,...}; do
    list=
    case $kind in
)sh";
constexpr const char* kZshMiddle = R"sh(      FILE) _files; continue ;;
      DIR) _files -/; continue ;;
      *) continue ;;
    esac
    names=(${(f)"$(_call_program names $service list $list | sed -n '/:$/d; s/^\([^ ][^ ]*\).*/\1/p')"})
    [[ $1 == *,... ]] && compset -P '*,'
    compadd -X $kind -a names
    [[ $kind == (TRACE|SCRIPT|CONFIG|SWEEP) ]] && _files
  done
}

# Keys of configurations, as options.
_mmusim_key() {
  [[ $PREFIX == --*.* && $PREFIX != *=* ]] || return 1
  local -a keys
  keys=(${(f)"$(_call_program keys $service list keys | sed -n 's/^\([^ ]*\) = .*/--\1=/p')"})
  compadd -S '' -a keys
}

_mmusim() {
  local command=$words[2]
  local -a below
  if ((CURRENT == 2)); then
    below=(
)sh";

// For a specification of _arguments: brackets and colons end its parts.
std::string for_zsh(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string zsh_described(const std::vector<DescribedCommand>& commands, const std::string& group,
                          const char* indent) {
  std::string out;
  for (const DescribedCommand& command : commands) {
    if (!command.name.starts_with(group)) continue;
    const std::string name = command.name.substr(group.size());
    if (name.find(' ') == std::string::npos)
      out += fmt::format("{}{}\n", indent, in_quotes(name + ":" + command.summary));
  }
  return out;
}

// What comes behind an option or stands as an argument; of what has blanks in it nothing is known.
std::string zsh_value(const std::string& placeholder) {
  if (placeholder.find(' ') != std::string::npos) return ":" + for_zsh(placeholder) + ": ";
  return fmt::format(":{0}:{{_mmusim_value \"{0}\"}}", for_zsh(placeholder));
}

std::string zsh_option(const CommandHelp::Option& option) {
  const std::string value = option.value.empty() ? "" : zsh_value(option.value);
  const std::string text = fmt::format("[{}]{}", for_zsh(option.text), value);
  const char* const equals = option.value.empty() ? "" : "=";
  std::string out =
      fmt::format("      {}", in_quotes(fmt::format("*--{}{}{}", option.name, equals, text)));
  if (!option.letter.empty())
    out += fmt::format(" \\\n      {}", in_quotes(fmt::format("*-{}{}", option.letter, text)));
  return out + " \\\n";
}

}  // namespace

std::string bash_completion(const std::vector<DescribedCommand>& commands) {
  std::string text = kBashBegin + lists("      {}) _mmusim_list \"$1\" {} ;;\n") + kBashMiddle;
  for (const DescribedCommand& command : commands)
    if (command.group) text += fmt::format("      ' {0}') command={0} ;;\n", command.name);
  for (const DescribedCommand& command : commands)
    if (!command.group)
      text +=
          fmt::format("      {}) command={} ;;\n",
                      command.name.find(' ') == std::string::npos ? in_quotes(" " + command.name)
                                                                  : in_quotes(command.name),
                      in_quotes(command.name));
  text += fmt::format("    esac\n  done\n  case $command in\n    '') below={} ;;\n",
                      in_quotes(names_below(commands, "")));
  for (const DescribedCommand& command : commands) {
    if (command.group) {
      text += fmt::format("    {}) below={} ;;\n", in_quotes(command.name),
                          in_quotes(names_below(commands, command.name + " ")));
      continue;
    }
    std::string options;
    std::string values;
    for (const CommandHelp::Option& option : command.help.options) {
      options += fmt::format("{}--{}", options.empty() ? "" : " ", option.name);
      if (option.value.empty() || option.value.find(' ') != std::string::npos) continue;
      values += fmt::format("{}--{}={}", values.empty() ? "" : " ", option.name, option.value);
      if (!option.letter.empty()) values += fmt::format(" -{}={}", option.letter, option.value);
    }
    if (!command.help.sections.empty()) options += " --help-keys";
    text +=
        fmt::format("    {})\n      options={}\n      values={}\n      positional={}\n      ;;\n",
                    in_quotes(command.name), in_quotes(options), in_quotes(values),
                    in_quotes(command.help.positional));
  }
  return text + kBashEnd;
}

std::string zsh_completion(const std::vector<DescribedCommand>& commands) {
  std::string text = kZshBegin + lists("      {}) list={} ;;\n") + kZshMiddle +
                     zsh_described(commands, "", "      ") +
                     "    )\n    _describe command below\n    return\n  fi\n  case $command in\n";
  for (const DescribedCommand& command : commands)
    if (command.group)
      text += fmt::format(
          "    {})\n      command=\"$words[2] $words[3]\"\n      if ((CURRENT == 3)); then\n"
          "        below=(\n{}        )\n        _describe command below\n        return\n      "
          "fi\n"
          "      shift words\n      ((CURRENT--))\n      ;;\n",
          command.name, zsh_described(commands, command.name + " ", "          "));
  text += "  esac\n  shift words\n  ((CURRENT--))\n  case $command in\n";
  for (const DescribedCommand& command : commands) {
    if (command.group) continue;
    text += fmt::format("    {})\n", in_quotes(command.name));
    if (!command.help.sections.empty()) text += "      _mmusim_key && return\n";
    text += "      _arguments \\\n";
    for (const CommandHelp::Option& option : command.help.options)
      text += zsh_option(option);
    const std::string& positional = command.help.positional;
    text += fmt::format("      {}\n      ;;\n",
                        positional.empty() ? "&& return" : in_quotes("*" + zsh_value(positional)));
  }
  return text + "  esac\n}\n\n_mmusim \"$@\"\n";
}

}  // namespace mmusim::cli
