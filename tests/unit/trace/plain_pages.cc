#include "plain_pages.h"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace mmusim::trace::testing {
namespace {

constexpr uint64_t kPlainPage = 4096;

uint64_t page_at(VirtAddr address) {
  return (address.value() - kPlainBase) / kPlainPage;
}
VirtAddr at_page(uint64_t page) {
  return VirtAddr(kPlainBase + page * kPlainPage);
}
uint64_t pages_in(uint64_t bytes) {
  return (bytes + kPlainPage - 1) / kPlainPage;
}

}  // namespace

void PlainWorld::exec(PlainProcess& process, uint32_t tid, const ExecEvent& e) {
  process.memory = std::make_shared<PlainMemory>();
  process.threads = {tid};
  PlainMemory& memory = *process.memory;
  for (const ImageArea& area : e.image) {
    for (uint64_t i = 0; i < pages_in(area.range.bytes()); ++i) {
      PlainPage& page = memory.pages.at(page_at(area.range.begin) + i);
      page.there = true;
      page.prot = area.prot;
      page.shared = (area.flags & 1) != 0;
      page.stack = area.name == "[stack]";
      if (!area.name.starts_with("[")) page.of = area.name;
      if (area.name == "[vdso]") page.of = area.name;
      if (!page.of.empty() && page.of != "[vdso]") page.place = area.file_offset / kPlainPage + i;
    }
    if (area.name == "[heap]") {
      memory.brk_start = page_at(area.range.begin);
      memory.brk = page_at(area.range.end);
    }
  }
  if (e.brk != VirtAddr(0) && memory.brk_start == 0) memory.brk_start = memory.brk = page_at(e.brk);
}

void PlainWorld::map(PlainMemory& memory, const MmapEvent& e) {
  const uint64_t first = page_at(VirtAddr(static_cast<uint64_t>(e.result)));
  const bool anonymous = (e.flags & 0x20) != 0;
  const bool shared = (e.flags & 1) != 0;
  std::string of = e.file;
  // The loader's way: a part of an unnamed file's mapping replaced from the same descriptor.
  const PlainPage under = memory.pages.at(first);
  if (!anonymous && of.empty() && (e.flags & 0x10) != 0 && under.there && !under.of.empty() &&
      under.of.ends_with(fmt::format("fd{}", e.fd)))
    of = under.of;
  if (of.empty() && (shared || !anonymous))
    of = fmt::format("#{}{}", ++unnamed_, anonymous ? "" : fmt::format("fd{}", e.fd));
  for (uint64_t i = 0; i < pages_in(e.length); ++i) {
    PlainPage& page = memory.pages.at(first + i);
    page = {};
    page.there = true;
    page.prot = e.prot;
    page.shared = shared;
    page.stack = (e.flags & 0x100) != 0;
    page.of = of;
    if (!of.empty()) page.place = (anonymous ? 0 : e.offset / kPlainPage) + i;
    page.lock = (e.flags & 0x2000) != 0 ? 1 : memory.lock_new;
  }
}

void PlainWorld::remap(PlainMemory& memory, const MremapEvent& e) {
  const uint64_t from = page_at(e.old_start);
  const uint64_t to = page_at(VirtAddr(static_cast<uint64_t>(e.result)));
  const uint64_t old_count = pages_in(e.old_length);
  const uint64_t count = pages_in(e.new_length);
  std::vector<PlainPage> moved;
  for (uint64_t i = 0; i < old_count; ++i) {
    moved.push_back(memory.pages.at(from + i));
    memory.pages.at(from + i) = {};
  }
  while (moved.size() < count) {
    moved.push_back(moved.back());
    if (!moved.back().of.empty()) ++moved.back().place;
  }
  for (uint64_t i = 0; i < count; ++i)
    memory.pages.at(to + i) = moved[i];
}

void PlainWorld::event(ThreadId thread, const Event& event) {
  PlainProcess& process = processes_[thread.pid.value()];
  process.threads.insert(thread.tid.value());
  PlainMemory& memory = *process.memory;
  const auto each = [&](VirtAddr start, uint64_t length, auto change) {
    for (uint64_t i = 0; i < pages_in(length); ++i)
      if (PlainPage& page = memory.pages.at(page_at(start) + i); page.there) change(page);
  };
  if (const auto* exec_event = std::get_if<ExecEvent>(&event)) {
    exec(process, thread.tid.value(), *exec_event);
  } else if (const auto* mmap = std::get_if<MmapEvent>(&event)) {
    map(memory, *mmap);
  } else if (const auto* munmap = std::get_if<MunmapEvent>(&event)) {
    each(munmap->start, munmap->length, [](PlainPage& page) { page = {}; });
  } else if (const auto* protect = std::get_if<MprotectEvent>(&event)) {
    each(protect->start, protect->length, [&](PlainPage& page) { page.prot = protect->prot; });
  } else if (const auto* mremap = std::get_if<MremapEvent>(&event)) {
    remap(memory, *mremap);
  } else if (const auto* brk = std::get_if<BrkEvent>(&event)) {
    const uint64_t now = page_at(brk->result);
    if (memory.brk_start == 0) {
      memory.brk_start = memory.brk = now;
      return;
    }
    for (uint64_t i = memory.brk; i < now; ++i)
      memory.pages.at(i) = {.there = true, .prot = 3, .lock = memory.lock_new};
    for (uint64_t i = now; i < memory.brk; ++i)
      memory.pages.at(i) = {};
    memory.brk = now;
  } else if (const auto* advice = std::get_if<MadviseEvent>(&event)) {
    each(advice->start, advice->length, [&](PlainPage& page) {
      // As sets: 14 and 15 are each other's opposites.
      if (advice->advice == 10) page.advice |= 1;
      if (advice->advice == 11) page.advice &= ~1u;
      if (advice->advice == 14) page.advice = (page.advice & ~4u) | 2;
      if (advice->advice == 15) page.advice = (page.advice & ~2u) | 4;
    });
  } else if (const auto* lock = std::get_if<LockEvent>(&event)) {
    if (lock->what == LockEvent::LockAll)
      memory.lock_new = (lock->flags & 2) != 0 ? ((lock->flags & 4) != 0 ? 2 : 1) : 0;
    const int how = lock->what == LockEvent::Unlock ? 0 : (lock->flags & 1) != 0 ? 2 : 1;
    if (lock->what <= LockEvent::Unlock)
      each(lock->start, lock->length, [&](PlainPage& page) { page.lock = how; });
  } else if (const auto* fork = std::get_if<ForkEvent>(&event)) {
    if (fork->child.pid == thread.pid) {
      process.threads.insert(fork->child.tid.value());
      return;
    }
    PlainProcess child;
    child.parent = thread.pid.value();
    child.threads = {fork->child.tid.value()};
    if (fork->shares_memory) {
      child.memory = process.memory;
    } else {
      *child.memory = memory;
      child.memory->lock_new = 0;
      for (PlainPage& page : child.memory->pages) {
        page.lock = 0;
        if ((page.advice & 1) != 0) page = {};
      }
    }
    processes_[fork->child.pid.value()] = child;
  } else if (const auto* exit = std::get_if<ExitEvent>(&event)) {
    process.threads.erase(thread.tid.value());
    if (!exit->whole_process && !process.threads.empty()) return;
    process.threads.clear();
    process.zombie = true;
    process.memory = nullptr;
    for (auto& [pid, other] : processes_)
      if (other.parent == thread.pid.value()) other.parent = 0;
    std::erase_if(processes_,
                  [](const auto& one) { return one.second.zombie && one.second.parent == 0; });
  } else if (const auto* wait = std::get_if<WaitEvent>(&event)) {
    processes_.erase(wait->child.value());
  }
}

bool PlainHistory::all(const PlainMemory& memory, uint64_t page, uint64_t count, bool there) const {
  if (page + count > kPlainPages) return false;
  for (uint64_t i = page; i < page + count; ++i)
    if (memory.pages.at(i).there != there || (there && memory.pages.at(i).of == "[vdso]"))
      return false;
  return true;
}

ExecEvent PlainHistory::image() {
  ExecEvent e;
  e.program = "/bin/p";
  e.arguments = {"p"};
  const auto area = [&](uint64_t from, uint64_t to, uint32_t prot, uint32_t flags, uint64_t offset,
                        const char* name) {
    e.image.push_back({{at_page(from), at_page(to)}, prot, flags, offset * kPlainPage, name});
  };
  area(1, 3, 5, 2, 0, "/bin/p");
  area(3, 4, 3, 2, 2, "/bin/p");
  area(8, 10, 3, 0x22, 0, "[heap]");
  area(90, 92, 3, 0x122, 0, "[stack]");
  if (random_.below(2) == 0) area(94, 95, 5, 2, 0, "[vdso]");
  return e;
}

void PlainHistory::say(Writer& writer, ThreadId thread, const Event& event) {
  writer.thread(thread);
  writer.event(event);
  world_.event(thread, event);
}

// One call that can be made now; nothing if the one thought of cannot.
std::optional<Event> PlainHistory::memory_call(const PlainMemory& memory) {
  const uint64_t page = random_.below(kPlainPages - 10);
  const uint64_t count = 1 + random_.below(8);
  const auto have = [&] { return all(memory, page, count, true); };
  switch (random_.below(9)) {
    case 0:
    case 1:
    case 2: {
      if (page < 30 || page + count > 88) return std::nullopt;  // not over program, heap and stack
      static constexpr uint32_t kFlags[] = {0x22, 0x21, 0x02, 0x01, 0x2022};
      MmapEvent e;
      e.length = count * kPlainPage - random_.below(2) * 17;
      e.prot = static_cast<uint32_t>(1 + random_.below(3));
      e.flags = kFlags[random_.below(5)] | 0x10;
      e.hint = at_page(page);
      e.result = static_cast<int64_t>(e.hint.value());
      if ((e.flags & 0x20) == 0) {
        e.offset = random_.below(9) * kPlainPage;
        e.fd = static_cast<int32_t>(3 + random_.below(2));
        static constexpr const char* kFiles[] = {"", "/lib/a", "/dev/shm/b"};
        e.file = kFiles[random_.below(3)];
      }
      return e;
    }
    case 3:
      if (!have() || page < 4 || page > 87) return std::nullopt;
      return MunmapEvent{at_page(page), count * kPlainPage, 0};
    case 4:
      if (!have()) return std::nullopt;
      return MprotectEvent{at_page(page), count * kPlainPage,
                           static_cast<uint32_t>(random_.below(4)), 0};
    case 5: {
      static constexpr uint32_t kAdvice[] = {10, 11, 14, 15};
      if (!have()) return std::nullopt;
      return MadviseEvent{at_page(page), count * kPlainPage, kAdvice[random_.below(4)], 0};
    }
    case 6: {
      const bool unlock = random_.below(3) == 0;
      if (!have()) return std::nullopt;
      return LockEvent{unlock ? LockEvent::Unlock : LockEvent::Lock, at_page(page),
                       count * kPlainPage - 5,
                       unlock ? 0u : static_cast<uint32_t>(random_.below(2)), 0};
    }
    case 7: {
      const uint64_t target = 30 + random_.below(40);
      const uint64_t length = 1 + random_.below(8);
      if (!have() || page < 30 || page + count > 88 || !all(memory, target, length, false))
        return std::nullopt;
      return MremapEvent{at_page(page),       count * kPlainPage,
                         length * kPlainPage, 3,
                         at_page(target),     static_cast<int64_t>(at_page(target).value())};
    }
    default: {
      const uint64_t to = memory.brk_start + random_.below(9);
      if (memory.brk_start == 0) return std::nullopt;
      for (uint64_t i = memory.brk_start; i < std::max(to, memory.brk); ++i)
        if (memory.pages.at(i).there && !memory.pages.at(i).of.empty()) return std::nullopt;
      return BrkEvent{at_page(to), at_page(to)};
    }
  }
}

void PlainHistory::step(Writer& writer) {
  if (world_.processes().empty()) {
    say(writer, {Pid(next_), Tid(next_)}, image());
    ++next_;
    return;
  }
  auto at = world_.processes().begin();
  std::advance(at, static_cast<std::ptrdiff_t>(random_.below(world_.processes().size())));
  const PlainProcess process = at->second;
  if (process.zombie) {
    if (process.parent == 0 || world_.processes().at(process.parent).zombie) return;
    const PlainProcess& parent = world_.processes().at(process.parent);
    say(writer, {Pid(process.parent), Tid(*parent.threads.begin())}, WaitEvent{Pid(at->first), 0});
    return;
  }
  // Who waits for vfork's child does nothing.
  for (const auto& [pid, other] : world_.processes())
    if (other.parent == at->first && !other.zombie && other.memory == process.memory) return;
  auto tid = process.threads.begin();
  std::advance(tid, static_cast<std::ptrdiff_t>(random_.below(process.threads.size())));
  const ThreadId thread{Pid(at->first), Tid(*tid)};
  const bool small = world_.processes().size() < 9;
  switch (random_.below(24)) {
    case 0:
      if (small) say(writer, thread, ForkEvent{{Pid(next_), Tid(next_)}, 17, false}), ++next_;
      return;
    case 1:
      if (small) say(writer, thread, ForkEvent{{Pid(next_), Tid(next_)}, 0x4111, true}), ++next_;
      return;
    case 2:
      if (process.threads.size() < 3)
        say(writer, thread, ForkEvent{{thread.pid, Tid(next_)}, 0x50f00, true}), ++next_;
      return;
    case 3:
      say(writer, thread, image());
      return;
    case 4:
      if (world_.processes().size() > 2) say(writer, thread, ExitEvent{256, true});
      return;
    case 6:
    case 7:
      if (process.threads.size() > 1) say(writer, thread, ExitEvent{0, false});
      return;
    case 5: {
      const uint32_t flags = random_.below(2) == 0 ? 2 : 6;
      if (random_.below(4) == 0)
        say(writer, thread, LockEvent{LockEvent::LockAll, {}, 0, flags, 0});
      return;
    }
    default:
      break;
  }
  writer.thread(thread);
  for (uint64_t i = random_.below(6); i != 0; --i) {
    writer.instruction(at_page(1) + i * 4, 4);
    writer.access(AccessKind::Store, at_page(91) + random_.below(4000), 8);
  }
  if (const auto event = memory_call(*process.memory)) say(writer, thread, *event);
}

void PlainHistory::write(Writer& writer, unsigned steps) {
  for (unsigned i = 0; i < steps; ++i)
    step(writer);
}

std::string difference(const PlainWorld& whole, const PlainWorld& part) {
  std::map<std::string, std::string> names;
  std::map<std::string, std::string> back;
  for (const auto& [pid, process] : whole.processes()) {
    const auto other = part.processes().find(pid);
    if (other == part.processes().end()) return fmt::format("process {} is missing", pid);
    const PlainProcess& made = other->second;
    if (made.zombie != process.zombie) return fmt::format("process {} is a zombie, or not", pid);
    if (made.parent != process.parent) return fmt::format("process {} has another parent", pid);
    if (made.threads != process.threads) return fmt::format("process {} has other threads", pid);
    if (process.zombie) continue;
    if (made.memory->brk != process.memory->brk ||
        made.memory->brk_start != process.memory->brk_start)
      return fmt::format("process {} has another break", pid);
    if (made.memory->lock_new != process.memory->lock_new)
      return fmt::format("process {} locks its future otherwise", pid);
    for (unsigned i = 0; i < kPlainPages; ++i) {
      PlainPage is = made.memory->pages.at(i);
      const PlainPage& should = process.memory->pages.at(i);
      if (should.of.starts_with("#")) {
        if (names.try_emplace(should.of, is.of).first->second != is.of ||
            back.try_emplace(is.of, should.of).first->second != should.of)
          return fmt::format("process {}, page {}: {} and {} are not one", pid, i, should.of,
                             is.of);
        is.of = should.of;
      }
      if (is != should)
        return fmt::format(
            "process {}, page {}: there {} not {}, prot {} not {}, of '{}' not '{}', "
            "place {} not {}, advice {} not {}, lock {} not {}, shared {} not {}",
            pid, i, is.there, should.there, is.prot, should.prot, is.of, should.of, is.place,
            should.place, is.advice, should.advice, is.lock, should.lock, is.shared, should.shared);
    }
    for (const auto& [other_pid, other_process] : whole.processes())
      if (!other_process.zombie && (other_process.memory == process.memory) !=
                                       (part.processes().at(other_pid).memory == made.memory))
        return fmt::format("processes {} and {} share memory, or not", pid, other_pid);
  }
  if (part.processes().size() != whole.processes().size()) return "there are other processes";
  return "";
}

}  // namespace mmusim::trace::testing
