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

std::vector<trace::MarkerEvent> MappedFiles::told_behind(const trace::Event& event) {
  std::vector<trace::MarkerEvent> told;
  const auto look = [&](uint32_t prot, const std::string& name) {
    if (!is_code(prot, name)) return;
    if (auto news = news_of(name)) told.push_back(std::move(*news));
  };
  if (const auto* exec = std::get_if<trace::ExecEvent>(&event)) {
    for (const trace::ImageArea& area : exec->image)
      look(area.prot, area.name);
  } else if (const auto* mmap = std::get_if<trace::MmapEvent>(&event);
             mmap != nullptr && !trace::failed(mmap->result)) {
    look(mmap->prot, mmap->file);
  }
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
