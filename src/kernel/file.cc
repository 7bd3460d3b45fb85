#include "kernel/file.h"

#include "base/bits.h"
#include "base/error.h"

namespace mmusim::kernel {

void PageSpans::add(PageSpan span) {
  if (span.first >= span.end) return;
  auto at = spans_.upper_bound(span.first);
  if (at != spans_.begin() && std::prev(at)->second >= span.first) --at;
  while (at != spans_.end() && at->first <= span.end) {
    span.first = std::min(span.first, at->first);
    span.end = std::max(span.end, at->second);
    at = spans_.erase(at);
  }
  spans_.emplace(span.first, span.end);
}

bool PageSpans::contains(uint64_t index) const {
  if (spans_.empty()) return false;
  const auto behind = spans_.upper_bound(index);
  return behind != spans_.begin() && index < std::prev(behind)->second;
}

void PageSpans::cut(uint64_t index) {
  spans_.erase(spans_.lower_bound(index), spans_.end());
  if (!spans_.empty() && spans_.rbegin()->second > index) spans_.rbegin()->second = index;
}

std::optional<Pfn> File::frame_of(uint64_t index) const {
  const auto it = chunks.find(index / kChunk);
  if (it == chunks.end()) return std::nullopt;
  const Pfn pfn = it->second.frames[index % kChunk];
  if (pfn == Pfn(0)) return std::nullopt;
  return pfn;
}

Folio File::folio_of(uint64_t index) const {
  if (!folios.empty()) {
    const auto behind = folios.upper_bound(index);
    if (behind != folios.begin() && index < std::prev(behind)->second)
      return {std::prev(behind)->first, std::prev(behind)->second};
  }
  const uint64_t length = laid_out != 0 ? laid_out : pages;
  if (order_pages == 1 || index >= std::min(filled, length) || absent.contains(index))
    return {index, index + 1};
  uint64_t first = index & ~(order_pages - 1);
  uint64_t end = first + order_pages;
  if (end <= length) return {first, end};
  // The rest of the file in powers of two, the largest first.
  for (end = first; end <= index;) {
    first = end;
    end = first + (uint64_t{1} << log2_floor(length - first));
  }
  return {first, end};
}

void File::split(const Folio& folio, uint64_t at) {
  MMUSIM_ASSERT(folio.contains(at));
  folios.erase(folio.first);
  huge.erase(folio.first);
  Folio part = folio;
  while (part.pages() > 1) {
    const uint64_t middle = part.first + part.pages() / 2;
    if (at < middle) {
      folios[middle] = part.end;
      part.end = middle;
    } else {
      folios[part.first] = middle;
      part.first = middle;
    }
  }
  folios[part.first] = part.end;
}

void File::split_into_pages(const Folio& folio) {
  huge.erase(folio.first);
  if (kind == FileKind::Regular && laid_out == 0) laid_out = pages;
  for (uint64_t i = folio.first; i < folio.end; ++i)
    folios[i] = i + 1;
}

bool File::is_dirty(const Folio& folio) const {
  for (uint64_t i = folio.first; i < folio.end; ++i) {
    const auto chunk = chunks.find(i / kChunk);
    if (chunk != chunks.end() && (chunk->second.dirty >> (i % kChunk) & 1) != 0) return true;
  }
  return false;
}

void File::clean(const Folio& folio) {
  for (uint64_t i = folio.first; i < folio.end; ++i) {
    const auto chunk = chunks.find(i / kChunk);
    if (chunk != chunks.end()) chunk->second.dirty &= ~(uint64_t{1} << (i % kChunk));
  }
}

}  // namespace mmusim::kernel
