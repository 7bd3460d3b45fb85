#include "kernel/accounts.h"

#include <algorithm>

namespace mmusim::kernel {

void Accounts::space_made(const AddressSpace& mm) {
  counters_->root_bytes += mm.root_bytes;
  counters_->spaces_peak = std::max(counters_->spaces_peak, ++counters_->spaces);
}

void Accounts::space_gone(const AddressSpace& mm) {
  counters_->root_bytes -= mm.root_bytes;
  --counters_->spaces;
}

void Accounts::add_rss(AddressSpace& mm, PageKind kind, int64_t pages) {
  mm.add_rss(kind, pages);
  const auto k = static_cast<unsigned>(kind);
  counters_->rss[k] += static_cast<uint64_t>(pages);
  if (pages <= 0) return;
  counters_->rss_peak[k] = std::max(counters_->rss_peak[k], counters_->rss[k]);
  counters_->rss_total_peak = std::max(counters_->rss_total_peak,
                                       counters_->rss[0] + counters_->rss[1] + counters_->rss[2]);
}

void Accounts::add_swapped(AddressSpace& mm, int64_t entries) {
  mm.swapped += static_cast<uint64_t>(entries);
  counters_->swapped += static_cast<uint64_t>(entries);
}

void Accounts::note_vmas(AddressSpace& mm) {
  counters_->vmas += mm.vmas.size() - mm.vmas_accounted;
  mm.vmas_accounted = mm.vmas.size();
  counters_->vmas_peak = std::max(counters_->vmas_peak, counters_->vmas);
}

void Accounts::note_tables() {
  const uint64_t in_use = tables_->bytes_in_use() - counters_->root_bytes;
  counters_->table_bytes_peak = std::max(counters_->table_bytes_peak, in_use);
}

}  // namespace mmusim::kernel
