// What may be named on the command line and in configs, and where it is: machines, experiments,
// sweeps, traces, scripts. A name is looked for below the current folder, the installation's
// share/mmusim (found from where the program is), and the source tree it was built from, in this
// order, so that it means the same from anywhere.
#ifndef MMUSIM_CLI_NAMES_H_
#define MMUSIM_CLI_NAMES_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mmusim::cli {

// A kind of files that have names. What stands for one in a usage line or behind an option says
// what may be given there: "TRACE|SCRIPT" takes names of both, and a shell completes them.
struct Kind {
  const char* placeholder;  // "TRACE"
  const char* folder;       // "workloads/traces"
  const char* ending;       // ".mmt"
  const char* list;         // the word of 'mmusim list' that lists them
};
std::span<const Kind> kinds();
// REQUIRES: there is one.
const Kind& kind_of_placeholder(std::string_view placeholder);

struct NamedFile {
  std::string name;  // without folder and ending
  std::string path;
  std::string summary;  // its first comment line; "": it has none, or is no text
};

// All files of a kind, by name; of equal names the first found.
std::vector<NamedFile> named_files(const Kind& kind);

// The path of the file that `word` means where `placeholder` (kinds, between |) stands in the
// usage. It is a path if it holds a / or the ending of a kind, or, but for machines and configs, if
// such a file is there; it is no name either if it holds a : or a dot and no file has that name.
// Else errors: UsageError naming `where`, with the nearest name; also for a name of two kinds.
std::string find_named(std::string_view placeholder, const std::string& word,
                       const std::string& where);

// `path` as it is if it exists, else below each of `folder`, the installation and the source tree;
// as it is if it is nowhere.
std::string find_data_file(const std::string& path, const std::string& folder);

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_NAMES_H_
