#include "sim/relocation/rewrite.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/error.h"
#include "base/linux_abi.h"
#include "kernel/replay.h"

namespace mmusim::sim {

using trace::Event;
using trace::failed;

namespace {

// An address the kernel refuses on every architecture: aligned to nothing, outside user space.
constexpr VirtAddr kNowhere{~uint64_t{0}};

// As kernel::backing_of() says of the area that becomes of it.
kernel::Backing backing_of(const trace::MmapEvent& e, bool has_huge) {
  if (has_huge && (e.flags & abi::kMapHugeTlb) != 0) return kernel::Backing::Pool;
  if (!kernel::is_anonymous(e))
    return kernel::kind_of(e.file) == kernel::FileKind::Shmem ? kernel::Backing::SharedMemory
                                                              : kernel::Backing::Disk;
  return (e.flags & abi::kMapShared) != 0 ? kernel::Backing::SharedMemory
                                          : kernel::Backing::Anonymous;
}

constexpr uint32_t kPlainFlags = abi::kMapPrivate | abi::kMapAnonymous | abi::kMapFixed;
constexpr uint32_t kReadWrite = abi::kProtRead | abi::kProtWrite;

}  // namespace

std::optional<VirtRange> EventRewriter::source_range(VirtAddr start, uint64_t length) const {
  const uint64_t top = sides_.source_top.value();
  if (!is_aligned(start, sides_.source_page) || !sides_.is_user(start) || length == 0 ||
      length > top - start.value())
    return std::nullopt;
  return VirtRange{start, align_up(start + length, sides_.source_page)};
}

void EventRewriter::place(Pid pid, RelocatedSpace& space, VirtRange range, Zone zone) {
  if (const auto whole = space.map.pieces(range);
      whole.size() == 1 && whole.front().source == range)
    return;
  if (!space.map.place(range, zone)) does_not_fit(pid, space, range, zone);
  ++counters_.areas;
}

void EventRewriter::does_not_fit(Pid pid, const RelocatedSpace& space, VirtRange range,
                                 Zone zone) const {
  const uint64_t size = sides_.target.top - sides_.target.lowest;
  throw Error(
      "run.relocate",
      fmt::format(
          "the {} of process {} at {:#x}-{:#x} ({} KiB) does not fit into the {} MiB of user "
          "addresses of the simulated machine, of which the process has {} MiB already",
          name_of(zone), pid.value(), range.begin.value(), range.end.value(), range.bytes() >> 10,
          size >> 20, space.map.placed_bytes() >> 20),
      "replay the trace on an architecture with a larger address space");
}

void EventRewriter::place_anywhere(Pid pid, RelocatedSpace& space, VirtRange range,
                                   const kernel::Unplaced& wanted) {
  const Pages pages = pages_of(space, range);
  if (!pages.shared.empty()) {
    if (!pages.own.empty()) space.map.release(pages.own);
    return place(pid, space, range, Zone::Mappings);
  }
  if (!space.map.place_as_kernel(pages.own, wanted))
    does_not_fit(pid, space, range, Zone::Mappings);
  ++counters_.areas;
  ++counters_.anywhere;
}

void EventRewriter::release(RelocatedSpace& space, VirtRange range) {
  if (const VirtRange own = pages_of(space, range).own; !own.empty()) space.map.release(own);
}

bool EventRewriter::grow(RelocatedSpace& space, VirtRange from, VirtRange to) {
  if (to.end <= from.end) return true;
  const VirtRange more = pages_of(space, {from.end, to.end}).own;
  if (more.empty()) return true;
  space.map.release(more);
  return space.map.extend(more);
}

EventRewriter::Pages EventRewriter::pages_of(const RelocatedSpace& space, VirtRange range) const {
  const PageShift page = sides_.target.page;
  Pages pages{{align_down(range.begin, page), align_up(range.end, page)}, {}};
  if (!coarser()) return pages;
  const auto is_shared = [&](VirtRange whole) {
    const bool below = whole.begin < range.begin &&
                       space.parts.rights({whole.begin, std::min(whole.end, range.begin)});
    const bool above =
        range.end < whole.end && space.parts.rights({std::max(whole.begin, range.end), whole.end});
    return below || above;
  };
  const VirtRange head{pages.own.begin, pages.own.begin + page.bytes()};
  if (is_shared(head)) {
    pages.shared.push_back(head);
    pages.own.begin = head.end;
  }
  if (pages.own.empty()) return pages;
  const VirtRange tail{pages.own.end - page.bytes(), pages.own.end};
  if (is_shared(tail)) {
    pages.shared.push_back(tail);
    pages.own.end = tail.begin;
  }
  return pages;
}

void EventRewriter::settle(const RelocatedSpace& space, const Pages& pages,
                           std::vector<Event>& out) {
  for (const VirtRange& page : pages.shared) {
    ++counters_.partial_pages;
    const auto rights = space.parts.rights(page);
    const auto distance = space.map.distance(page.begin);
    if (!rights || !distance) continue;
    out.emplace_back(trace::MprotectEvent{page.begin + *distance, page.bytes(), *rights, 0});
  }
}

std::vector<AddressMap::Piece> EventRewriter::pieces(const RelocatedSpace& space, VirtRange range) {
  if (range.empty()) return {};
  auto result = space.map.pieces(range);
  if (result.size() > 1) ++counters_.torn;
  return result;
}

void EventRewriter::unmap(RelocatedSpace& space, VirtRange range, std::vector<Event>& out) {
  if (coarser()) space.parts.erase(range);
  const Pages pages = pages_of(space, range);
  for (const auto& piece : pieces(space, pages.own))
    out.emplace_back(trace::MunmapEvent{piece.target, piece.source.bytes(), 0});
  settle(space, pages, out);
}

// Private anonymous memory at a range that has been placed.
void EventRewriter::map_plain(RelocatedSpace& space, VirtRange range, uint32_t prot,
                              std::vector<Event>& out) {
  if (coarser()) space.parts.set(range, prot);
  const Pages pages = pages_of(space, range);
  for (const auto& piece : pieces(space, pages.own)) {
    trace::MmapEvent e;
    e.hint = piece.target;
    e.length = piece.source.bytes();
    e.prot = prot;
    e.flags = kPlainFlags;
    e.result = static_cast<int64_t>(piece.target.value());
    out.emplace_back(e);
  }
  settle(space, pages, out);
}

void EventRewriter::mmap(Pid pid, RelocatedSpace& space, const trace::MmapEvent& e,
                         std::vector<Event>& out) {
  const VirtAddr start(static_cast<uint64_t>(e.result));
  const bool has_file = (e.flags & abi::kMapAnonymous) == 0;
  const auto range = source_range(start, e.length);
  if (failed(e.result) || !range ||
      (has_file && (e.offset & sides_.source_page.offset_mask()) != 0)) {
    trace::MmapEvent same = e;
    if (!failed(e.result)) same.result = static_cast<int64_t>(kNowhere.value() - 8191);
    out.emplace_back(same);
    return;
  }
  // The program asked for this place, or took it because it was offered.
  const bool wanted =
      (e.flags & (abi::kMapFixed | abi::kMapFixedNoReplace)) != 0 || e.hint == start;
  if (wanted) {
    place(pid, space, *range, Zone::Mappings);
  } else {
    const kernel::Backing backing = backing_of(e, sides_.huge.has_value());
    VirtRange room = *range;
    // The machine's kernel makes whole huge pages of it, as the recording's did.
    if (backing == kernel::Backing::Pool) {
      const uint64_t mask = sides_.huge->offset_mask();
      room.end = room.begin + ((room.bytes() + mask) & ~mask);
    }
    place_anywhere(
        pid, space, room,
        {.backing = backing, .offset = e.offset, .pool = sides_.huge.value_or(sides_.target.page)});
  }
  if (coarser()) space.parts.set(*range, e.prot);
  const Pages pages = pages_of(space, *range);
  const uint64_t page_mask = sides_.target.page.offset_mask();
  if (has_file && ((e.offset - start.value()) & page_mask) != 0) ++counters_.shifted_files;
  for (const auto& piece : pieces(space, pages.own)) {
    trace::MmapEvent part = e;
    part.hint = piece.target;
    part.result = static_cast<int64_t>(piece.target.value());
    // Unrounded where nothing is cut: the file ends where the program says.
    part.length = piece.source == *range ? e.length : piece.source.bytes();
    if (has_file) {
      const uint64_t before = start - piece.source.begin;  // negative for later pieces
      const uint64_t offset = e.offset - before;
      part.offset = static_cast<int64_t>(before) > 0 && before > e.offset ? 0 : offset & ~page_mask;
    }
    out.emplace_back(std::move(part));
  }
  settle(space, pages, out);
}

void EventRewriter::munmap(RelocatedSpace& space, const trace::MunmapEvent& e,
                           std::vector<Event>& out) {
  const auto range = source_range(e.start, e.length);
  if (failed(e.result) || !range) {
    out.emplace_back(trace::MunmapEvent{kNowhere, e.length, e.result});
    return;
  }
  unmap(space, *range, out);
  release(space, *range);
}

void EventRewriter::mprotect(RelocatedSpace& space, const trace::MprotectEvent& e,
                             std::vector<Event>& out) {
  const auto range = source_range(e.start, e.length);
  if (failed(e.result) || !range) {
    out.emplace_back(trace::MprotectEvent{kNowhere, e.length, e.prot, e.result});
    return;
  }
  if (coarser()) space.parts.protect(*range, e.prot);
  const Pages pages = pages_of(space, *range);
  for (const auto& piece : pieces(space, pages.own))
    out.emplace_back(trace::MprotectEvent{piece.target, piece.source.bytes(), e.prot, 0});
  settle(space, pages, out);
}

template <class E>
void EventRewriter::on_range(RelocatedSpace& space, const E& e, bool exact,
                             std::vector<Event>& out) {
  const auto range = source_range(e.start, e.length);
  E part = e;
  if (failed(e.result) || !range) {
    part.start = kNowhere;
    out.emplace_back(part);
    return;
  }
  // Advice for a part of a page is none: other parts must keep their contents.
  const Pages pages = pages_of(space, *range);
  if (exact) counters_.partial_pages += pages.shared.size();
  for (const auto& piece : pieces(space, exact ? pages.own : *range)) {
    part.start = piece.target;
    part.length = piece.source.bytes();
    out.emplace_back(part);
  }
}

void EventRewriter::madvise(RelocatedSpace& space, const trace::MadviseEvent& e,
                            std::vector<Event>& out) {
  on_range(space, e, true, out);
}

// Of another process's memory only that process knows where it is.
void EventRewriter::process_madvise(Pid pid, RelocatedSpace& space,
                                    const trace::ProcessMadviseEvent& e, std::vector<Event>& out) {
  if (e.target == pid) return on_range(space, e, true, out);
  trace::ProcessMadviseEvent nowhere = e;
  nowhere.start = kNowhere;
  out.emplace_back(nowhere);
}

void EventRewriter::mremap(Pid pid, RelocatedSpace& space, const trace::MremapEvent& e,
                           std::vector<Event>& out) {
  const VirtAddr target(static_cast<uint64_t>(e.result));
  const auto from =
      source_range(e.old_start, e.old_length == 0 ? sides_.source_page.bytes() : e.old_length);
  const auto to = source_range(target, e.new_length);
  if (failed(e.result) || !from || !to) {
    trace::MremapEvent same = e;
    same.old_start = kNowhere;
    if (!failed(e.result)) same.result = static_cast<int64_t>(kNowhere.value() - 8191);
    out.emplace_back(same);
    return;
  }
  const bool stays = target == e.old_start;
  const auto old_pieces = space.map.pieces(*from);
  const uint64_t mask = coarser() ? sides_.target.page.offset_mask() : 0;
  const auto on_pages = [&](VirtRange r) { return ((r.begin.value() | r.bytes()) & mask) == 0; };
  // What cannot grow where it is moves, as it would have, if its pages are its own.
  const bool whole_pages = on_pages(*from) && on_pages(*to);
  const bool stuck = stays && !grow(space, *from, *to);
  const bool moves =
      stays ? stuck && whole_pages && old_pieces.size() == 1 && old_pieces.front().source == *from
            : (e.flags & abi::kRemapFixed) == 0;
  if (moves) {
    place_anywhere(pid, space, *to, {.backing = kernel::Backing::Anonymous});
  } else {
    place(pid, space, *to, Zone::Mappings);
  }
  const auto new_pieces = space.map.pieces(*to);
  const bool whole = old_pieces.size() == 1 && new_pieces.size() == 1 &&
                     old_pieces.front().source == *from && new_pieces.front().source == *to;
  const bool keep_old = e.old_length == 0 || (e.flags & abi::kRemapDontUnmap) != 0;
  const uint32_t prot = space.parts.rights(*from).value_or(kReadWrite);
  if (whole && whole_pages) {
    if (coarser()) {
      if (!keep_old) space.parts.erase(*from);
      space.parts.set(*to, prot);
    }
    if (!stays && !keep_old) release(space, *from);
    if (stays && to->end < from->end) release(space, {to->end, from->end});
    trace::MremapEvent moved = e;
    if (moves) moved.flags |= abi::kRemapMayMove;
    moved.old_start = old_pieces.front().target;
    moved.new_hint = new_pieces.front().target;
    moved.result = static_cast<int64_t>(new_pieces.front().target.value());
    out.emplace_back(moved);
    return;
  }
  if (stays) {  // grows or shrinks in place
    if (to->end < from->end) {
      unmap(space, {to->end, from->end}, out);
      release(space, {to->end, from->end});
    }
    if (to->end > from->end) map_plain(space, {from->end, to->end}, prot, out);
    return;
  }
  // Its pages cannot be moved as they are.
  ++counters_.remapped;
  map_plain(space, *to, prot, out);
  if (keep_old) return;
  unmap(space, *from, out);
  release(space, *from);
}

void EventRewriter::brk(Pid pid, RelocatedSpace& space, const trace::BrkEvent& e,
                        std::vector<Event>& out) {
  if (!sides_.is_user(e.result) || (space.brk_start != VirtAddr(0) && e.result < space.brk_start)) {
    // A break below its start is refused as one of 0 is.
    out.emplace_back(trace::BrkEvent{VirtAddr(0), VirtAddr(0)});
    return;
  }
  if (space.brk_start == VirtAddr(0)) {
    space.brk_start = space.brk = e.result;
    // A heap that begins in a window of the program's stays with it.
    if (space.map.distance(e.result)) space.heap_zone = *space.map.zone_near(e.result);
  }
  const PageShift page = sides_.source_page;
  const VirtAddr old_end = align_up(space.brk, page);
  const VirtAddr new_end = align_up(e.result, page);
  const VirtRange most{space.brk_start, std::max({old_end, new_end, space.brk_start + 1})};
  place(pid, space, most, space.heap_zone);
  if (coarser() && new_end > old_end) space.parts.set({old_end, new_end}, kReadWrite);
  if (coarser() && new_end < old_end) space.parts.erase({new_end, old_end});
  // The break moves as far as the heap lies in one piece; what lies beyond are mappings.
  const AddressMap::Piece heap = space.map.pieces(most).front();
  const VirtAddr limit = heap.source.end;
  if (new_end < old_end && limit < old_end) unmap(space, {std::max(limit, new_end), old_end}, out);
  const VirtAddr result = std::min(e.result, limit) + (heap.target - heap.source.begin);
  out.emplace_back(trace::BrkEvent{result, result});
  if (new_end > old_end && limit < new_end)
    map_plain(space, {std::max(limit, old_end), new_end}, kReadWrite, out);
  space.brk = e.result;
}

void EventRewriter::exec(Pid pid, RelocatedSpace& space, const trace::ExecEvent& e,
                         std::vector<Event>& out) {
  trace::ExecEvent moved = e;
  moved.image.clear();
  std::vector<Event> after;
  for (const trace::ImageArea& area : e.image) {
    const auto range =
        area.range.empty() ? std::nullopt : source_range(area.range.begin, area.range.bytes());
    trace::ImageArea placed = area;
    if (!range) {
      placed.range = {kNowhere - 1, kNowhere};
      moved.image.push_back(placed);
      continue;
    }
    const bool stack = area.name.starts_with("[stack");
    const Zone zone = stack                    ? Zone::Stack
                      : area.name == "[heap]"  ? Zone::Heap
                      : area.name == e.program ? Zone::Program
                                               : Zone::Mappings;
    space.has_stack |= stack;
    place(pid, space, *range, zone);
    if (coarser()) space.parts.set(*range, area.prot);
    const Pages pages = pages_of(space, *range);
    for (const auto& piece : pieces(space, pages.own)) {
      placed.range = {piece.target, piece.target + piece.source.bytes()};
      const uint64_t offset = area.file_offset + (piece.source.begin - range->begin);
      // The page may begin before the file's first byte.
      placed.file_offset =
          static_cast<int64_t>(offset) < 0 ? 0 : offset & ~sides_.target.page.offset_mask();
      moved.image.push_back(placed);
    }
    settle(space, pages, after);
    if (area.name == "[heap]") {
      space.heap_zone = zone;
      space.brk_start = range->begin;
      space.brk = range->end;
    }
  }
  if (sides_.is_user(e.stack_top)) {
    space.has_stack = true;
    place(pid, space, {e.stack_top - 1, e.stack_top}, Zone::Stack);
    moved.stack_top = e.stack_top + space.map.distance(e.stack_top - 1).value();
  }
  if (sides_.is_user(e.brk)) {
    space.brk_start = space.brk = e.brk;
    if (space.map.distance(e.brk)) space.heap_zone = *space.map.zone_near(e.brk);
    place(pid, space, {e.brk, e.brk + 1}, space.heap_zone);
    moved.brk = e.brk + space.map.distance(e.brk).value();
  }
  out.emplace_back(std::move(moved));
  std::move(after.begin(), after.end(), std::back_inserter(out));
}

void EventRewriter::rewrite(Pid pid, RelocatedSpace& space, const Event& event,
                            std::vector<Event>& out) {
  const size_t before = out.size();
  if (const auto* image = std::get_if<trace::ExecEvent>(&event)) {
    exec(pid, space, *image, out);
  } else if (const auto* mapped = std::get_if<trace::MmapEvent>(&event)) {
    mmap(pid, space, *mapped, out);
  } else if (const auto* unmapped = std::get_if<trace::MunmapEvent>(&event)) {
    munmap(space, *unmapped, out);
  } else if (const auto* changed = std::get_if<trace::MprotectEvent>(&event)) {
    mprotect(space, *changed, out);
  } else if (const auto* moved = std::get_if<trace::MremapEvent>(&event)) {
    mremap(pid, space, *moved, out);
  } else if (const auto* heap = std::get_if<trace::BrkEvent>(&event)) {
    brk(pid, space, *heap, out);
  } else if (const auto* advised = std::get_if<trace::MadviseEvent>(&event)) {
    madvise(space, *advised, out);
  } else if (const auto* written = std::get_if<trace::MsyncEvent>(&event)) {
    on_range(space, *written, true, out);
  } else if (const auto* locked = std::get_if<trace::LockEvent>(&event);
             locked != nullptr && locked->what <= trace::LockEvent::Unlock) {
    // Any start will do: the pages that hold the range are meant.
    trace::LockEvent pages = *locked;
    pages.start = align_down(locked->start, sides_.source_page);
    if (locked->length != 0) pages.length += locked->start - pages.start;
    on_range(space, pages, false, out);
  } else if (const auto* other = std::get_if<trace::ProcessMadviseEvent>(&event)) {
    process_madvise(pid, space, *other, out);
  } else {
    out.push_back(event);
  }
  const size_t made = out.size() - before;
  if (made == 0) ++counters_.dropped_events;
  if (made > 1) counters_.added_events += made - 1;
}

}  // namespace mmusim::sim
