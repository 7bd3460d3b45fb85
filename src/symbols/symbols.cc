#include "symbols/symbols.h"

#include <filesystem>
#include <fmt/format.h>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/units.h"
#include "symbols/identity.h"

namespace mmusim::symbols {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool is_newer(const std::string& path, const std::string& than) {
  std::error_code error;
  const auto mine = fs::last_write_time(path, error);
  if (error) return false;
  const auto other = fs::last_write_time(than, error);
  return !error && mine > other;
}

}  // namespace

Symbols::Symbols(const std::vector<std::string>& given, const std::string& isa,
                 const std::string& trace)
    : given_(given), isa_(isa), trace_(trace) {
  constexpr const char* kOption = "--symbols";
  for (const std::string& path : given_) {
    std::error_code error;
    if (fs::is_directory(path, error)) continue;
    if (!is_file(path)) throw UsageError(kOption, fmt::format("{} is not there", path));
    try {
      if (!fits(ElfFile(path)))
        throw UsageError(kOption,
                         fmt::format("{} is for another machine than the trace's, {}", path, isa_));
    } catch (const UsageError&) {
      throw;
    } catch (const Error& failure) {
      throw UsageError(kOption, failure.what());
    }
  }
}

bool Symbols::fits(const ElfFile& elf) const {
  const auto wanted = elf_machine_of(isa_);
  return !wanted || *wanted == elf.machine();
}

std::optional<std::string> Symbols::function_at(const Mapped& mapped, uint64_t offset) {
  const Found& found = file_of(mapped);
  return found.elf == nullptr ? std::nullopt : found.elf->function_at(offset);
}

Symbols::Found& Symbols::file_of(const Mapped& mapped) {
  const auto known = files_.find(mapped.path);
  return known != files_.end() ? known->second
                               : files_.emplace(mapped.path, find(mapped)).first->second;
}

std::string Symbols::other_than(const Mapped& recorded, const std::string& place,
                                const ElfFile& elf) const {
  constexpr const char* kAdvice = "; --symbols may say where its own is";
  if (!fits(elf))
    return fmt::format("is for another machine than the trace's, {}{}", isa_, kAdvice);
  if (!recorded.identity.empty()) {
    const std::string here = identity_of(place).value_or("none");
    if (here != recorded.identity)
      return fmt::format("is another file than the recorded one: {}, recorded {}", here,
                         recorded.identity);
  }
  if (!elf.maps_as_code(recorded.begin, recorded.end, recorded.page))
    return "is another file than the recorded one: its code lies elsewhere in it";
  return "";
}

Symbols::Found Symbols::find(const Mapped& of) const {
  const fs::path mapped(of.path);
  std::vector<fs::path> places;
  for (const std::string& given : given_) {
    const fs::path place(given);
    if (is_file(place)) {
      if (place.filename() == mapped.filename()) places.push_back(place);
      continue;
    }
    places.push_back(place / mapped.relative_path());
    places.push_back(place / mapped.filename());
  }
  if (mapped.is_absolute()) places.push_back(mapped);
  Found none{.elf = {}, .at = {}, .remark = "is not there; --symbols may say where"};
  if (of.replaced) {
    none.remark = "was replaced while it was recorded: which of its files had what is not known";
    none.other = true;
    return none;
  }
  for (const fs::path& place : places) {
    if (!is_file(place)) continue;
    Found found{.elf = {}, .at = place.string(), .remark = {}};
    none.other = true;
    try {
      found.elf = std::make_unique<ElfFile>(found.at);
    } catch (const Error&) {
      none.remark = "is no ELF file, or not all of one";
      continue;
    }
    if (const std::string why = other_than(of, found.at, *found.elf); !why.empty()) {
      none.remark = why;
      continue;
    }
    if (!found.elf->has_symbols()) {
      found.remark = "is stripped, and there is no separate debug file";
    } else if (of.identity.empty()) {
      found.by_path_alone = true;
      found.other = is_newer(found.at, trace_);
      if (found.other)
        found.remark = "is newer than the trace: names may be those of another program";
    }
    return found;
  }
  return none;
}

std::vector<Symbols::Remark> Symbols::remarks() const {
  std::vector<Remark> said;
  size_t by_path_alone = 0;
  for (const auto& [path, found] : files_) {
    const std::string name =
        found.at.empty() || found.at == path ? path : fmt::format("{} ({})", path, found.at);
    if (!found.remark.empty())
      said.push_back({fmt::format("{} {}", name, found.remark), found.other});
    if (found.by_path_alone) ++by_path_alone;
  }
  if (by_path_alone != 0)
    said.push_back({fmt::format("{} found by path alone: the trace does not say which build was "
                                "recorded",
                                format_counted(by_path_alone, "file is", "files are")),
                    false});
  return said;
}

}  // namespace mmusim::symbols
