#include "record/imported_files.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <utility>
#include <variant>

#include "base/file_state.h"
#include "base/units.h"
#include "record/mapped_files.h"
#include "symbols/identity.h"
#include "trace/file_identity.h"

namespace mmusim::record {
namespace {

// The first of them, and that there are more.
std::string named(const std::set<std::string>& files) {
  return fmt::format("{}{}", *files.begin(), files.size() == 1 ? "" : ", ...");
}

}  // namespace

ImportedFiles::ImportedFiles(std::optional<std::string> root, const std::vector<std::string>& logs)
    : root_(std::move(root)),
      here_(root_ && std::filesystem::path(*root_).is_absolute() &&
            std::filesystem::path(*root_).relative_path().empty()) {
  int64_t last = 0;
  for (const std::string& log : logs) {
    const auto file = FileState::of(log);
    if (!file) return;
    last = std::max(last, file->modified);
  }
  written_ = last;
}

std::vector<trace::MarkerEvent> ImportedFiles::told_behind(const trace::Event& event) {
  std::vector<trace::MarkerEvent> told;
  if (const auto* marker = std::get_if<trace::MarkerEvent>(&event)) {
    if (const auto known = trace::file_identity_of(*marker)) {
      told_.insert(known->file);
      not_told_.erase(known->file);
    }
    return told;
  }
  for (const std::string& path : code_files_of(event)) {
    if (told_.contains(path)) continue;
    if (!root_) {
      not_told_.insert(path);
      continue;
    }
    if (const auto identity = identity_of(path); identity) {
      told_.insert(path);
      told.push_back(trace::marker_of({path, *identity}));
    }
  }
  return told;
}

std::optional<std::string> ImportedFiles::identity_of(const std::string& path) {
  if (missing_.contains(path) || changed_.contains(path)) return std::nullopt;
  const std::string place = *root_ + path;
  const auto file = FileState::of(place);
  auto identity = file ? symbols::identity_of(place) : std::nullopt;
  if (!identity) {
    missing_.insert(path);
  } else if (written_ && (here_ ? file->changed : file->modified) > *written_) {
    changed_.insert(path);
    return std::nullopt;
  }
  return identity;
}

std::optional<symbols::Image> ImportedFiles::image_of(const std::string& path) {
  if (!root_ || !path.starts_with('/') || !identity_of(path)) return std::nullopt;
  auto image = symbols::image_of(*root_ + path);
  if (!image) missing_.insert(path);
  return image;
}

std::vector<std::string> ImportedFiles::warnings() const {
  std::vector<std::string> said;
  const auto say = [&](const std::set<std::string>& files, const char* why) {
    if (!files.empty())
      said.push_back(fmt::format("{} mapped as code {} ({}).", format_counted(files.size(), "file"),
                                 why, named(files)));
  };
  say(missing_,
      "are not below --files, or no ELF files: the trace does not say which builds they were");
  say(changed_,
      "were changed after the logs were written: the trace does not say which builds they were");
  return said;
}

}  // namespace mmusim::record
