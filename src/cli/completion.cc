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
         fmt::format(fmt::runtime(line), "COUNTER", "counters");
}

// What stands for a value in the scripts: its placeholder, or the values themselves, each behind a
// colon; of several values with ",..." at the end. "": nothing is known, as of what has blanks in
// it.
std::string expectation(const std::string& placeholder, const Words& offered) {
  // What may follow it (MACHINE[/KIND]) is not completed.
  if (offered.empty())
    return placeholder.find(' ') != std::string::npos
               ? ""
               : placeholder.substr(0, placeholder.find('['));
  const bool several = placeholder == "LIST" || placeholder.ends_with(",...");
  return fmt::format(":{}{}", fmt::join(offered, ":"), several ? ",..." : "");
}

// The keys of commands, as options with what their values may be. Most commands have the same, so
// each list is there once, and goes by a number.
class KeyLists {
 public:
  explicit KeyLists(const std::vector<DescribedCommand>& commands) {
    for (const DescribedCommand& command : commands)
      if (!command.help.keys.empty() && number_of(command) == lists_.size())
        lists_.push_back(text_of(command));
  }

  // The size where it has none.
  [[nodiscard]] size_t number_of(const DescribedCommand& command) const {
    return static_cast<size_t>(std::find(lists_.begin(), lists_.end(), text_of(command)) -
                               lists_.begin());
  }
  [[nodiscard]] const Words& lists() const { return lists_; }

 private:
  static std::string text_of(const DescribedCommand& command) {
    std::string text;
    for (const CommandHelp::KeyOption& key : command.help.keys)
      text +=
          fmt::format("{}--{}={}", text.empty() ? "" : " ", key.name, expectation("", key.offered));
    return text;
  }

  Words lists_;
};

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
  "$1" list "$2" 2>/dev/null </dev/null | sed -n 's/^\([^ ][^ ]*\).*/\1/p'
}

# _mmusim_names PROGRAM PLACEHOLDER: what may stand there, if it has names.
_mmusim_names() {
  local kind
  if [[ $2 == :* ]]; then
    printf '%s\n' ${2//:/ }
    return
  fi
  for kind in ${2//|/ }; do
    case $kind in
)sh";
constexpr const char* kBashMiddle = R"sh(    esac
  done
}

_mmusim() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local program=${COMP_WORDS[0]}
  # bash takes the = of --option=value, and of -t MACHINE=TRACE, for a word of its own.
  local owner=
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
    [[ $previous == -* ]] || owner=${COMP_WORDS[COMP_CWORD - 3]}
  fi
  local command= below= options= values= positional= keys= i
  for ((i = 1; i < COMP_CWORD && i <= 2; ++i)); do
    case "$command ${COMP_WORDS[i]}" in
)sh";
constexpr const char* kBashEnd = R"sh(  esac
  if [[ -n $below ]]; then
    COMPREPLY=($(compgen -W "$below --help" -- "$current"))
    return
  fi
  local expected=$positional value
  for value in $values $keys; do
    [[ $previous != "${value%%=*}" ]] || expected=${value#*=}
    [[ $owner != "${value%%=*}" ]] || expected=${value##*=}
  done
  if [[ -n $owner ]]; then  # of --vary: a key's values
    for value in $keys; do
      [[ --$previous != "${value%%=*}" ]] || expected=${value#*=},...
    done
  fi
  # Keys are many: they are there where no option is meant.
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
    [[ ${#COMPREPLY[@]} -eq 0 ]] || return
  fi
  if [[ $current == -* || $expected == KEY=* ]]; then
    local names=($keys)
    names=("${names[@]%%=*}")
    [[ $expected != KEY=* ]] || names=("${names[@]#--}")
    [[ $(type -t compopt) != builtin ]] || compopt -o nospace 2>/dev/null
    COMPREPLY=($(compgen -S = -W "${names[*]}" -- "$current"))
    return
  elif [[ $expected == [A-Z]*=* ]]; then
    [[ $(type -t compopt) != builtin ]] || compopt -o nospace 2>/dev/null
    COMPREPLY=($(compgen -S = -W "$(_mmusim_names "$program" "${expected%%=*}")" -- "$current"))
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
  esac
  case "|$expected|" in
    *'|FILE|'* | *'|JSON|'* | *'|TRACE|'* | *'|SCRIPT|'* | *'|CONFIG|'* | *'|SWEEP|'*)
      COMPREPLY+=($(compgen -f -- "$current"))
      ;;
  esac
}
complete -o filenames -F _mmusim mmusim
)sh";

constexpr const char* kZshBegin = R"sh(#compdef mmusim
# zsh completion of mmusim, made by 'mmusim completion zsh'

# _mmusim_value PLACEHOLDER EXPECTED: what may stand there.
_mmusim_value() {
  local kind list
  local -a names
  [[ $2 == *,... && $2 != KEY=* ]] && compset -P '*,'
  if [[ $2 == :* ]]; then
    names=(${(s.:.)${2%,...}})
    compadd -X $1 -a names
    return
  fi
  if [[ $2 == [A-Z]*=* && $2 != KEY=* && $PREFIX == *=* ]]; then
    compset -P '*='
    _mmusim_value $1 ${2#*=}
    return
  fi
  for kind in ${(s:|:)2%,...}; do
    list=
    case $kind in
)sh";
constexpr const char* kZshMiddle = R"sh(      KEY=*) _mmusim_vary; continue ;;
      MACHINE=*) list=machines ;;
      FILE | JSON) _files; continue ;;
      DIR) _files -/; continue ;;
      *) continue ;;
    esac
    names=(${(f)"$(_call_program names $service list $list | sed -n 's/^\([^ ][^ ]*\).*/\1/p')"})
    [[ $kind == *=* ]] && compadd -S = -X $kind -a names && continue
    compadd -X $kind -a names
    [[ $kind == (TRACE|SCRIPT|CONFIG|SWEEP) ]] && _files
  done
}

# _mmusim_key PREFIX: a key of a configuration, of $keys, behind PREFIX, or what it may be.
_mmusim_key() {
  local name one
  local -a names
  if [[ $PREFIX != *=* ]]; then
    names=(${${keys%%=*}#--})
    compadd -P "$1" -S = -a names
    return
  fi
  name=--${${PREFIX#--}%%=*}
  compset -P '*='
  for one in $keys; do
    [[ ${one%%=*} != $name ]] || _mmusim_value ${name#--} ${one#*=}$2
  done
}

# Behind --vary: KEY=A,B
_mmusim_vary() {
  _mmusim_key '' ,...
}

_mmusim() {
  local command=$words[2]
  local -a below keys
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

// What comes behind an option or stands as an argument.
std::string zsh_value(const std::string& placeholder, const Words& offered) {
  const std::string expected = expectation(placeholder, offered);
  if (expected.empty()) return ":" + for_zsh(placeholder) + ": ";
  return fmt::format(":{0}:{{_mmusim_value \"{0}\" \"{1}\"}}", for_zsh(placeholder),
                     for_zsh(expected));
}

std::string zsh_option(const CommandHelp::Option& option) {
  const std::string value = option.value.empty() ? "" : zsh_value(option.value, option.offered);
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
  const KeyLists keys(commands);
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
      const std::string expected = expectation(option.value, option.offered);
      if (option.value.empty() || expected.empty()) continue;
      values += fmt::format("{}--{}={}", values.empty() ? "" : " ", option.name, expected);
      if (!option.letter.empty()) values += fmt::format(" -{}={}", option.letter, expected);
    }
    if (!command.help.sections.empty()) {
      options += " --help-keys";
      values += fmt::format(" --help-keys={}", expectation("SECTION", command.help.sections));
    }
    text += fmt::format("    {})\n      options={}\n      values={}\n      positional={}\n",
                        in_quotes(command.name), in_quotes(options), in_quotes(values),
                        in_quotes(expectation(command.help.positional, command.help.offered)));
    if (!command.help.keys.empty())
      text += fmt::format("      keys=$_mmusim_keys_{}\n", keys.number_of(command));
    text += "      ;;\n";
  }
  text += kBashEnd;
  for (size_t i = 0; i < keys.lists().size(); ++i)
    text += fmt::format("_mmusim_keys_{}={}\n", i, in_quotes(keys.lists()[i]));
  return text;
}

std::string zsh_completion(const std::vector<DescribedCommand>& commands) {
  const KeyLists keys(commands);
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
    if (!command.help.keys.empty())
      text += fmt::format(
          "      keys=(${{=_mmusim_keys_{}}})\n      if [[ $PREFIX == --*.* ]]; then\n        "
          "_mmusim_key --\n        return\n      fi\n",
          keys.number_of(command));
    text += "      _arguments \\\n";
    for (const CommandHelp::Option& option : command.help.options)
      text += zsh_option(option);
    if (!command.help.sections.empty())
      text += fmt::format("      {} \\\n", in_quotes("*--help-keys[Show the keys of a section.]" +
                                                     zsh_value("SECTION", command.help.sections)));
    const std::string& positional = command.help.positional;
    text += fmt::format(
        "      {} && return\n{}      ;;\n",
        positional.empty() ? "" : in_quotes("*" + zsh_value(positional, command.help.offered)),
        command.help.keys.empty() ? "" : "      [[ $PREFIX != --* ]] || _mmusim_key --\n");
  }
  text += "  esac\n}\n\n";
  for (size_t i = 0; i < keys.lists().size(); ++i)
    text += fmt::format("_mmusim_keys_{}={}\n", i, in_quotes(keys.lists()[i]));
  return text + "\n_mmusim \"$@\"\n";
}

}  // namespace mmusim::cli
