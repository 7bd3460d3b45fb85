#include "cli/config_files.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <system_error>

#include "base/error.h"
#include "config/nearest.h"

namespace mmusim::cli {
namespace {

namespace fs = std::filesystem;

// Folders with configs/ and workloads/ in them, besides the current one.
std::vector<fs::path> data_folders() {
  std::vector<fs::path> folders;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) folders.push_back(program.parent_path().parent_path() / "share" / "mmusim");
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

}  // namespace

std::vector<ConfigFile> config_files(const std::string& kind, const std::string& ending) {
  std::vector<fs::path> folders = data_folders();
  folders.insert(folders.begin(), fs::path("."));
  std::map<std::string, ConfigFile> found;
  for (const fs::path& folder : folders) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder / "configs" / kind, error)) {
      if (entry.path().extension() != ending) continue;
      const std::string name = entry.path().stem().string();
      const std::string path = entry.path().lexically_normal().string();
      if (found.count(name) == 0) found[name] = {name, path, first_comment(entry.path())};
    }
  }
  std::vector<ConfigFile> files;
  files.reserve(found.size());
  for (auto& [name, file] : found)
    files.push_back(file);
  return files;
}

std::string find_config_file(const std::string& kind, const std::string& name_or_path,
                             const std::string& option, const std::vector<std::string>& endings) {
  if (name_or_path.find('/') != std::string::npos || name_or_path.ends_with(".cfg") ||
      name_or_path.ends_with(".sweep")) {
    return name_or_path;
  }
  std::vector<std::string> names;
  for (const std::string& ending : endings)
    for (const ConfigFile& file : config_files(kind, ending)) {
      if (file.name == name_or_path) return file.path;
      names.push_back(file.name);
    }
  const std::string hint = config::suggestion(name_or_path, names);
  std::string files;
  for (const std::string& ending : endings)
    files += fmt::format("{}'{}{}'", files.empty() ? "" : " or ", name_or_path, ending);
  throw UsageError(option, fmt::format("no file {} in configs/{}", files, kind),
                   hint.empty() ? fmt::format("'mmusim list {}' shows what there is", kind) : hint);
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
