#include "cli/names.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <system_error>

#include "base/error.h"
#include "base/program_file.h"
#include "cli/embedded.h"
#include "config/nearest.h"

namespace mmusim::cli {
namespace {

namespace fs = std::filesystem;

std::string added_folder;

// Folders with configs/ and workloads/ in them, besides the current one.
std::vector<fs::path> data_folders() {
  std::vector<fs::path> folders;
  if (!added_folder.empty()) folders.emplace_back(added_folder);
  if (const fs::path& program = program_file(); !program.empty())
    folders.push_back(program.parent_path().parent_path() / "share" / "mmusim");
  folders.emplace_back(MMUSIM_SOURCE_DIR);
  return folders;
}

std::string first_comment(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    const size_t text = line.find_first_not_of("# \t\r");
    if (text != std::string::npos) return line.front() == '#' ? line.substr(text) : "";
  }
  return "";
}

// The kinds that a placeholder holds; other words of it stand for what has no names.
std::vector<const Kind*> kinds_in(std::string_view placeholder) {
  std::vector<const Kind*> found;
  while (!placeholder.empty()) {
    const size_t end = std::min(placeholder.find('|'), placeholder.size());
    for (const Kind& kind : kinds())
      if (placeholder.substr(0, end) == kind.placeholder) found.push_back(&kind);
    placeholder.remove_prefix(std::min(end + 1, placeholder.size()));
  }
  return found;
}

bool is_path(const std::string& word, const std::vector<const Kind*>& found) {
  if (word.find('/') != std::string::npos || word.find(':') != std::string::npos) return true;
  const auto has_ending = [&](const Kind& kind) { return word.ends_with(kind.ending); };
  if (std::any_of(kinds().begin(), kinds().end(), has_ending)) return true;
  // A file `tiny` that lies about is not the machine.
  std::error_code error;
  const auto is_config = [](const Kind* kind) { return std::string_view(kind->ending) == ".cfg"; };
  return std::none_of(found.begin(), found.end(), is_config) && fs::is_regular_file(word, error);
}

}  // namespace

void add_data_folder(const std::string& folder) {
  added_folder = folder;
}

std::span<const Kind> kinds() {
  static constexpr std::array<Kind, 5> kKinds{{
      {"TRACE", "workloads/traces", ".mmt", "traces"},
      {"SCRIPT", "workloads/scripts", ".workload", "scripts"},
      {"MACHINE", "configs/machines", ".cfg", "machines"},
      {"CONFIG", "configs/experiments", ".cfg", "experiments"},
      {"SWEEP", "configs/experiments", ".sweep", "sweeps"},
  }};
  return kKinds;
}

const Kind& kind_of_placeholder(std::string_view placeholder) {
  const auto found = std::find_if(kinds().begin(), kinds().end(), [&](const Kind& kind) {
    return placeholder == kind.placeholder;
  });
  MMUSIM_ASSERT(found != kinds().end());
  return *found;
}

std::vector<NamedFile> named_files(const Kind& kind) {
  std::vector<fs::path> folders = data_folders();
  folders.insert(folders.begin(), fs::path("."));
  std::map<std::string, NamedFile> found;
  for (const fs::path& folder : folders) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder / kind.folder, error)) {
      if (entry.path().extension() != kind.ending) continue;
      const std::string name = entry.path().stem().string();
      const std::string path = entry.path().lexically_normal().string();
      if (found.count(name) == 0) found[name] = {name, path, first_comment(entry.path())};
    }
  }
  std::vector<NamedFile> files;
  files.reserve(found.size());
  for (auto& [name, file] : found)
    files.push_back(file);
  return files;
}

std::string find_named(std::string_view placeholder, const std::string& word,
                       const std::string& where) {
  const std::vector<const Kind*> possible = kinds_in(placeholder);
  if (possible.empty() || is_path(word, possible)) return word;
  std::vector<std::string> names;
  std::vector<std::string> paths;
  for (const Kind* const kind : possible)
    for (const NamedFile& file : named_files(*kind)) {
      if (file.name == word) paths.push_back(file.path);
      names.push_back(file.name);
    }
  if (paths.size() > 1)
    throw UsageError(where, fmt::format("'{}' is the name of {}", word, fmt::join(paths, " and ")),
                     "give the path of the one you mean");
  if (!paths.empty()) return paths.front();
  if (word.find('.') != std::string::npos) return word;
  std::string files;
  std::string lists;
  for (const Kind* const kind : possible) {
    files += fmt::format("{}'{}{}' in {}", files.empty() ? "" : " or ", word, kind->ending,
                         kind->folder);
    const std::string list = fmt::format("'mmusim list {}'", kind->list);
    if (lists.find(list) == std::string::npos) lists += (lists.empty() ? "" : ", ") + list;
  }
  const std::string hint = config::suggestion(word, names);
  throw UsageError(where, fmt::format("no file {}", files),
                   hint.empty() ? fmt::format("{} shows what there is", lists) : hint);
}

std::string find_data_file(const std::string& path, const std::string& folder) {
  std::error_code error;
  if (path.empty() || fs::exists(path, error) || fs::path(path).is_absolute()) return path;
  std::vector<fs::path> folders = data_folders();
  folders.insert(folders.begin(), fs::path(folder));
  for (const fs::path& base : folders) {
    if (fs::exists(base / path, error)) return (base / path).lexically_normal().string();
  }
  return path;
}

}  // namespace mmusim::cli
