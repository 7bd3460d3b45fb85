// manual: the commands and keys as pages for man(1).
#include "cli/manual.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fmt/format.h>
#include <sstream>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/output_file.h"
#include "cli/command.h"
#include "cli/configuration.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/trace_files.h"
#include "cli/version.h"
#include "config/options.h"

namespace mmusim::cli {
namespace {

constexpr const char* kAbout =
    "Replays what real programs did, every instruction fetch, load and store, every mmap, fork and "
    "exit, through simulated MMUs, over page tables that can be swapped, and says what their "
    "translations cost.";
constexpr const char* kExitStatus =
    "0: all went well. 1: the work could not be done. 2: the command line or a config is wrong. "
    "128 "
    "and a signal's number: interrupted. 'mmusim record' ends with the status of what it recorded.";

// As it is to be read: nothing in it is a request, and a dash is the one of options.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  if (out.starts_with('.') || out.starts_with('\'')) out.insert(0, "\\&");
  return out;
}

// Paragraphs are filled; lines that begin with a blank stay as they are, as in --help.
std::string paragraphs(const std::string& text) {
  std::istringstream lines(text);
  std::string out;
  bool verbatim = false;
  for (std::string line; std::getline(lines, line);) {
    const bool stays = line.starts_with(' ');
    if (stays != verbatim && !(verbatim && line.empty())) out += stays ? ".PP\n.nf\n" : ".fi\n";
    if (!line.empty()) verbatim = stays;
    out += line.empty() ? (verbatim ? "\n" : ".PP\n") : escaped(line) + "\n";
  }
  return out + (verbatim ? ".fi\n" : "");
}

std::string with_dashes(std::string name) {
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string heading(const std::string& name, int section, const std::string& summary) {
  std::string title = name;
  std::transform(title.begin(), title.end(), title.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return fmt::format(".TH \"{}\" {} \"\" \"mmusim {}\" \"mmusim\"\n.SH NAME\n{} \\- {}\n",
                     escaped(title), section, version().number, escaped(name), escaped(summary));
}

std::string item(const std::string& what, const std::string& text) {
  return fmt::format(".TP\n{}\n{}", what, paragraphs(text));
}

std::string options_of(const CommandHelp& help) {
  std::string out = ".SH OPTIONS\n";
  for (const CommandHelp::Option& option : help.options) {
    std::string what;
    if (!option.letter.empty()) what = fmt::format("\\fB{}\\fR, ", escaped("-" + option.letter));
    what += fmt::format("\\fB{}\\fR", escaped("--" + option.name));
    if (!option.value.empty()) what += fmt::format(" \\fI{}\\fR", escaped(option.value));
    out += item(what, option.text);
  }
  if (!help.sections.empty())
    out += fmt::format(
        ".SH CONFIGURATION KEYS\nEvery key of these sections is an option too: {}. "
        "\\-\\-help\\-keys SECTION lists those of one,\n.BR mmusim\\-keys (5)\nall.\n",
        escaped(fmt::format("{}", fmt::join(help.sections, ", "))));
  return out;
}

std::string page_of(const DescribedCommand& command) {
  std::string text = heading("mmusim-" + with_dashes(command.name), 1, command.summary) +
                     ".SH SYNOPSIS\n.nf\n\\fBmmusim\\fR " + escaped(command.help.usage) +
                     "\n.fi\n.SH DESCRIPTION\n" + paragraphs(command.help.text) +
                     options_of(command.help) + ".SH EXIT STATUS\n" + paragraphs(kExitStatus) +
                     ".SH SEE ALSO\n.BR mmusim (1)\n";
  return text;
}

std::string main_page(const std::vector<DescribedCommand>& commands) {
  std::string text =
      heading("mmusim", 1, "simulate MMUs and page tables") +
      ".SH SYNOPSIS\n.nf\n\\fBmmusim\\fR COMMAND [ARGUMENTS]\n\\fBmmusim\\fR COMMAND "
      "\\-\\-help\n.fi\n.SH DESCRIPTION\n" +
      paragraphs(kAbout) + ".SH COMMANDS\nEach has a page of its own.\n";
  for (const DescribedCommand& command : commands)
    if (!command.group)
      text +=
          item(fmt::format("\\fB{}\\fR", escaped("mmusim-" + with_dashes(command.name) + "(1)")),
               command.summary);
  text +=
      ".SH FILES\nNames are looked for in these folders, below the current one and then below "
      "share/mmusim of the installation; 'mmusim list' shows them.\n";
  for (const Kind& kind : kinds())
    text +=
        item(fmt::format("\\fI{}\\fR", escaped(fmt::format("{}/*{}", kind.folder, kind.ending))),
             fmt::format("{}: 'mmusim list {}'", kind.placeholder, kind.list));
  return text + ".SH EXIT STATUS\n" + paragraphs(kExitStatus) +
         ".SH SEE ALSO\n.BR mmusim\\-keys (5)\n";
}

std::string keys_page() {
  Arguments arguments("", "");
  declare_machine_options(arguments);
  const config::Schema schema = simulation_schema(arguments, {});
  std::string text =
      heading("mmusim-keys", 5, "configuration keys of mmusim") +
      ".SH DESCRIPTION\nA config is an INI file: the keys of a section stand below its name in "
      "brackets. Each is an option too, as\n.BR \\-\\-tlb.l2.entries=512 .\nLater settings win: "
      "defaults, machine file, config, command line.\n";
  std::string section;
  for (const config::Key& key : schema.keys()) {
    const std::string own = key.name.substr(0, key.name.rfind('.'));
    if (own != section) text += fmt::format(".SH \"[{}]\"\n", escaped(own));
    section = own;
    text += item(fmt::format("\\fB{}\\fR = {}", escaped(key.name.substr(own.size() + 1)),
                             escaped(key.default_value)),
                 config::describe(key));
  }
  return text + ".SH SEE ALSO\n.BR mmusim (1)\n";
}

void describe(std::span<const Command> from, const std::string& group,
              std::vector<DescribedCommand>& into) {
  for (const Command& command : from) {
    const std::string name = group + command.name;
    const bool is_group = command.commands != nullptr;
    into.push_back({name, command.summary, is_group, is_group ? CommandHelp() : help_of(command)});
    if (is_group) describe(command.commands(), name + " ", into);
  }
}

}  // namespace

std::vector<DescribedCommand> described_commands() {
  std::vector<DescribedCommand> all;
  describe(commands(), "", all);
  return all;
}

std::vector<ManualPage> manual_pages(const std::vector<DescribedCommand>& commands) {
  std::vector<ManualPage> pages = {{"mmusim.1", main_page(commands)},
                                   {"mmusim-keys.5", keys_page()}};
  for (const DescribedCommand& command : commands)
    if (!command.group)
      pages.push_back({fmt::format("mmusim-{}.1", with_dashes(command.name)), page_of(command)});
  return pages;
}

void manual(const Words& words) {
  Arguments arguments("manual -o DIR",
                      "Writes the manual's pages, one for each command and one for the "
                      "configuration keys, into a folder. An installation has them already.");
  arguments.options()("output,o", text_option("DIR"), "The folder; made if it is not there.");
  if (!arguments.parse(words)) return;
  const std::filesystem::path folder = output_of(arguments, "DIR");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw Error(folder.string(), fmt::format("cannot make the folder: {}", error.message()));
  for (const ManualPage& page : manual_pages(described_commands()))
    write_file((folder / page.file).string(), page.text);
}

void completion(const Words& words) {
  Arguments arguments(
      "completion SHELL",
      "Prints what a shell, bash or zsh, needs to complete mmusim's commands, options, keys and "
      "names. An installation has it already; else, in bash:\n\n    source <(mmusim completion "
      "bash)\n\nand for zsh, as a file _mmusim in a folder of its fpath.");
  arguments.positional("SHELL", 1);
  arguments.offer("SHELL", {"bash", "zsh"});
  if (!arguments.parse(words)) return;
  const std::string& shell = arguments.text("SHELL");
  if (shell == "bash") {
    print(bash_completion(described_commands()));
  } else if (shell == "zsh") {
    print(zsh_completion(described_commands()));
  } else {
    throw UsageError("SHELL", fmt::format("'{}' is no shell that is known", shell),
                     "it is bash or zsh");
  }
}

}  // namespace mmusim::cli
