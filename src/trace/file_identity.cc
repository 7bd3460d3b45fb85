#include "trace/file_identity.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string_view>

namespace mmusim::trace {
namespace {

constexpr std::string_view kBegin = "mapped file ";
constexpr std::array<std::string_view, 2> kKinds{"build-id:", "code:"};
constexpr size_t kMostDigits = 128;
constexpr size_t kMostPath = 4096;

bool is_identity(std::string_view word) {
  return std::any_of(kKinds.begin(), kKinds.end(), [word](std::string_view kind) {
    if (!word.starts_with(kind)) return false;
    const std::string_view digits = word.substr(kind.size());
    return !digits.empty() && digits.size() <= kMostDigits &&
           digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  });
}

}  // namespace

MarkerEvent marker_of(const MappedIdentity& identity) {
  return {fmt::format("{}{} {}", kBegin, identity.identity, identity.file)};
}

std::optional<MappedIdentity> file_identity_of(const MarkerEvent& marker) {
  std::string_view rest = marker.text;
  if (!rest.starts_with(kBegin)) return std::nullopt;
  rest.remove_prefix(kBegin.size());
  const size_t blank = rest.find(' ');
  if (blank == std::string_view::npos || !is_identity(rest.substr(0, blank))) return std::nullopt;
  const std::string_view path = rest.substr(blank + 1);
  if (path.empty() || path.size() > kMostPath) return std::nullopt;
  return MappedIdentity{.file = std::string(path), .identity = std::string(rest.substr(0, blank))};
}

void FileIdentities::marker(const MarkerEvent& marker) {
  const auto told = file_identity_of(marker);
  if (!told) return;
  const auto known = files_.find(told->file);
  if (known == files_.end()) {
    if (files_.size() < kMostFiles) files_.emplace(told->file, Known{told->identity, false});
  } else if (known->second.identity != told->identity) {
    known->second = {told->identity, true};
  }
}

const FileIdentities::Known* FileIdentities::find(const std::string& file) const {
  const auto known = files_.find(file);
  return known == files_.end() ? nullptr : &known->second;
}

}  // namespace mmusim::trace
