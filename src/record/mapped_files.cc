#include "record/mapped_files.h"

#include <sys/stat.h>
#include <variant>

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
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  const State state{.device = status.st_dev,
                    .inode = status.st_ino,
                    .bytes = static_cast<uint64_t>(status.st_size),
                    .seconds = status.st_mtim.tv_sec,
                    .nanoseconds = status.st_mtim.tv_nsec};
  const auto [place, fresh] = files_.try_emplace(path);
  Known& known = place->second;
  if (!fresh && known.state == state) return std::nullopt;
  known.state = state;
  const auto identity = symbols::identity_of(path);
  if (!identity || *identity == known.identity) return std::nullopt;
  known.identity = *identity;
  return trace::marker_of({path, *identity});
}

}  // namespace mmusim::record
