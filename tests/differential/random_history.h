// Random but plausible histories of a few processes, written as a trace: the same seed gives the
// same file.
//
// Processes map, unmap, protect, fork, make threads, exec and exit, and run loops over code and
// data in what they have mapped; now and then an access straddles two pages, touches an area never
// mapped, or writes where it may not.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_RANDOM_HISTORY_H_
#define MMUSIM_TESTS_DIFFERENTIAL_RANDOM_HISTORY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "mmu/layout.h"
#include "trace/writer.h"

namespace mmusim::differential {

class RandomHistory {
 public:
  // Where things are, which depends on the machine: by default as on x86-64.
  struct Places {
    std::string isa = "x86_64";
    PageShift page{12};
    uint64_t areas = 0x10000000;
    uint64_t code = 0x400000;
    uint64_t stack = 0x7fff00000000;
    uint64_t top = uint64_t{1} << 47;  // of what may be mapped
    mmu::HugeRegion pool = {};         // of pages of a pool, where there is such a region
    bool window_ends = false;  // of what no event tells of, half is at the ends of blocks of 64 KiB
  };
  explicit RandomHistory(uint64_t seed) : RandomHistory(seed, Places()) {}
  RandomHistory(uint64_t seed, const Places& places) : random_(seed), places_(places) {}

  void write(const std::string& path, unsigned steps) {
    trace::Header header;
    header.isa = places_.isa;
    header.page = places_.page;
    header.program = "random history";
    trace::WriterOptions options;
    options.pages = trace::PageChoice::Any;
    options.page_percent = 100'000;  // whatever their size
    options.chunk_bytes = 1 << 16;
    trace::Writer writer(path, header, options);
    processes_ = {Process{1, {1}, {}}};
    next_pid_ = 2;
    for (unsigned i = 0; i < steps; ++i)
      step(writer);
    writer.finish();
  }

 private:
  struct Area {
    uint64_t start;
    uint64_t pages;
  };
  struct Process {
    uint32_t pid;
    std::vector<uint32_t> threads;
    std::vector<Area> areas;
  };
  void step(trace::Writer& writer) {
    Process& process = processes_[random_.below(processes_.size())];
    const uint32_t tid = process.threads[random_.below(process.threads.size())];
    writer.thread({Pid(process.pid), Tid(tid)});
    switch (random_.below(16)) {
      case 0:
      case 1:
      case 2:
        map(writer, process);
        break;
      case 3:
        unmap(writer, process);
        break;
      case 4:
        protect(writer, process);
        break;
      case 5:
        fork(writer, process);
        break;
      case 6:
        end(writer, process, tid);
        break;
      default:
        compute(writer, process);
    }
  }

  void map(trace::Writer& writer, Process& process) {
    uint64_t pages = 1 + random_.below(random_.below(4) == 0 ? 1200 : 30);
    uint64_t start = places_.areas + random_.below(1 << 16) * page_bytes();
    trace::MmapEvent event;
    if (!places_.pool.range.empty() && random_.below(3) == 0) {
      const PageShift page = places_.pool.page;
      pages = (1 + random_.below(4)) * page.bytes() / page_bytes();
      start = places_.pool.range.begin.value() + random_.below(16) * page.bytes();
      event.flags = 0x40000 | page.log2() << 26;  // of the pool of that size
    }
    event.hint = VirtAddr(start);
    event.length = pages * page_bytes();
    event.prot = random_.below(8) == 0 ? 1 : 3;
    event.flags |= 0x22 | 0x10;  // private, anonymous, fixed
    event.result = static_cast<int64_t>(start);
    writer.event(event);
    process.areas.push_back({start, pages});
  }

  void unmap(trace::Writer& writer, Process& process) {
    if (process.areas.empty()) return;
    const Area area = process.areas[random_.below(process.areas.size())];
    const uint64_t first = random_.below(area.pages);
    const uint64_t count = 1 + random_.below(area.pages - first);
    writer.event(
        trace::MunmapEvent{VirtAddr(area.start + first * page_bytes()), count * page_bytes(), 0});
  }

  void protect(trace::Writer& writer, Process& process) {
    if (process.areas.empty()) return;
    const Area area = process.areas[random_.below(process.areas.size())];
    const uint64_t first = random_.below(area.pages);
    const uint64_t count = 1 + random_.below(area.pages - first);
    writer.event(trace::MprotectEvent{VirtAddr(area.start + first * page_bytes()),
                                      count * page_bytes(), random_.below(2) == 0 ? 1u : 3u, 0});
  }

  void fork(trace::Writer& writer, Process& process) {
    if (process.threads.size() < 4 && random_.below(3) == 0) {
      constexpr uint64_t kCloneVmAndThread = 0x10100;
      writer.event(trace::ForkEvent{{Pid(process.pid), Tid(next_pid_)}, kCloneVmAndThread, true});
      process.threads.push_back(next_pid_++);
      return;
    }
    if (processes_.size() >= 9) return;
    const uint32_t pid = next_pid_++;
    writer.event(trace::ForkEvent{{Pid(pid), Tid(pid)}, 0, false});
    processes_.push_back(Process{pid, {pid}, process.areas});
  }

  void end(trace::Writer& writer, Process& process, uint32_t tid) {
    if (process.threads.size() > 1 && random_.below(2) == 0) {
      writer.event(trace::ExitEvent{0, false});
      std::erase(process.threads, tid);
      return;
    }
    if (processes_.size() < 2) return;
    if (random_.below(3) == 0) {
      trace::ExecEvent event;
      event.program = "/bin/other";
      writer.event(event);
      process.areas.clear();
      process.threads = {tid};
      return;
    }
    writer.event(trace::ExitEvent{0, true});
    process = processes_.back();
    processes_.pop_back();
  }

  void compute(trace::Writer& writer, const Process& process) {
    const unsigned loops = 1 + static_cast<unsigned>(random_.below(40));
    const uint64_t code = places_.code + random_.below(300) * 1000;
    const unsigned body = 1 + static_cast<unsigned>(random_.below(60));
    for (unsigned loop = 0; loop < loops; ++loop) {
      uint64_t pc = code;
      for (unsigned i = 0; i < body; ++i) {
        const unsigned length = 1 + static_cast<unsigned>((pc * 7 + i) % 9);
        writer.instruction(VirtAddr(pc), length);
        pc += length;
        for (uint64_t n = random_.below(3); n != 0; --n)
          data(writer, process);
      }
    }
  }

  void data(trace::Writer& writer, const Process& process) {
    const auto kind = static_cast<AccessKind>(1 + random_.below(3));
    const auto bytes = static_cast<unsigned>(uint64_t{1} << random_.below(7));
    uint64_t address = places_.stack + random_.below(1 << 14);  // a stack, implied
    if (!process.areas.empty() && random_.below(8) != 0) {
      const Area& area = process.areas[random_.below(process.areas.size())];
      const uint64_t page =
          random_.below(4) == 0 ? random_.below(area.pages) : random_.below(1 + area.pages / 8);
      address = area.start + page * page_bytes() + random_.below(page_bytes());
    } else if (random_.below(64) == 0) {
      address = random_.below(places_.top);
      constexpr uint64_t kWindow = 0x10000;
      if (places_.window_ends && random_.below(2) == 0)
        address = (address / kWindow + 1) * kWindow - 1 - random_.below(bytes);
    }
    writer.access(kind, VirtAddr(address), bytes);
  }

  [[nodiscard]] uint64_t page_bytes() const { return places_.page.bytes(); }

  Random random_;
  Places places_;
  std::vector<Process> processes_;
  uint32_t next_pid_ = 2;
};

// Of another machine, for a relocation, which places what no event tells of in such blocks.
inline RandomHistory::Places places_elsewhere() {
  RandomHistory::Places places;
  places.window_ends = true;
  return places;
}

// Where programs are on a machine of that layout. Areas take up 2^16 pages and a few.
inline RandomHistory::Places places_of(const char* isa, const mmu::AddressLayout& layout) {
  RandomHistory::Places places;
  places.isa = isa;
  places.page = layout.page;
  places.areas = layout.mmap_base.value();
  if (!layout.mmap_upward) places.areas -= layout.page.bytes() << 17;
  places.code = layout.program_base.value();
  places.stack = (layout.stack_top - (1 << 20)).value();
  places.top = layout.top.value();
  places.pool = layout.huge_region;
  return places;
}

}  // namespace mmusim::differential

#endif  // MMUSIM_TESTS_DIFFERENTIAL_RANDOM_HISTORY_H_
