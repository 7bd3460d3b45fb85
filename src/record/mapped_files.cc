#include "record/mapped_files.h"

#include <variant>

#include "base/file_state.h"
#include "base/linux_abi.h"
#include "symbols/identity.h"

namespace mmusim::record {
namespace {

bool is_code(uint32_t prot, const std::string& name) {
  return (prot & abi::kProtExec) != 0 && name.starts_with('/');
}

}  // namespace

std::vector<std::string> code_files_of(const trace::Event& event) {
  std::vector<std::string> files;
  if (const auto* exec = std::get_if<trace::ExecEvent>(&event)) {
    for (const trace::ImageArea& area : exec->image)
      if (is_code(area.prot, area.name)) files.push_back(area.name);
  } else if (const auto* mmap = std::get_if<trace::MmapEvent>(&event);
             mmap != nullptr && !trace::failed(mmap->result)) {
    if (is_code(mmap->prot, mmap->file)) files.push_back(mmap->file);
  }
  return files;
}

std::vector<trace::MarkerEvent> MappedFiles::told_behind(const trace::Event& event) {
  std::vector<trace::MarkerEvent> told;
  for (const std::string& file : code_files_of(event))
    if (auto news = news_of(file)) told.push_back(std::move(*news));
  return told;
}

std::optional<trace::MarkerEvent> MappedFiles::news_of(const std::string& path) {
  const auto file = FileState::of(path);
  if (!file) return std::nullopt;
  Known& known = files_[path];
  if (known.state == file->text()) return std::nullopt;
  known.state = file->text();
  const auto identity = symbols::identity_of(path);
  if (!identity || *identity == known.identity) return std::nullopt;
  known.identity = *identity;
  return trace::marker_of({path, *identity});
}

}  // namespace mmusim::record
