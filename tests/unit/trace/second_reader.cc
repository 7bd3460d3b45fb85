#include "second_reader.h"

#include <array>
#include <cstring>
#include <stdexcept>
#include <xxhash.h>
#include <zstd.h>

namespace mmusim::trace::testing {
namespace {

void require(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

// A text with a place in it.
class Cursor {
 public:
  explicit Cursor(std::string bytes) : bytes_(std::move(bytes)) {}

  std::string take(uint64_t count) {
    require(count <= bytes_.size() - at_, "ends early");
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  uint64_t fixed(unsigned bytes) {
    const std::string text = take(bytes);
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) {
      value += static_cast<uint64_t>(static_cast<unsigned char>(text[i])) << (8 * i);
    }
    return value;
  }
  uint64_t u() {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const uint64_t byte = fixed(1);
      value += (byte & 127) << shift;
      if (byte < 128) return value;
    }
  }
  int64_t s() {
    const uint64_t code = u();
    const auto half = static_cast<int64_t>(code / 2);
    return code % 2 == 0 ? half : -half - 1;
  }
  uint32_t u32() { return static_cast<uint32_t>(u()); }
  int32_t s32() { return static_cast<int32_t>(s()); }
  VirtAddr addr() { return VirtAddr(u()); }
  std::string text() { return take(u()); }
  bool flag() { return fixed(1) == 1; }
  [[nodiscard]] bool at_end() const { return at_ == bytes_.size(); }
  [[nodiscard]] uint64_t at() const { return at_; }

 private:
  std::string bytes_;
  uint64_t at_ = 0;
};

uint64_t xxh3(const std::string& bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

struct Access {
  unsigned instruction;
  AccessKind kind;
  unsigned bytes;
  uint64_t last;
};
struct Code {
  uint64_t start;
  std::vector<unsigned> lengths;
  std::vector<Access> accesses;
};

Totals read_totals(Cursor& in) {
  Totals t;
  t.instructions = in.fixed(8);
  t.blocks = in.fixed(8);
  t.loads = in.fixed(8);
  t.stores = in.fixed(8);
  t.modifies = in.fixed(8);
  t.events = in.fixed(8);
  return t;
}

uint64_t apart(uint64_t a, uint64_t b) {
  return a - b < b - a ? a - b : b - a;
}

std::vector<Code> read_dictionary(const std::string& stream, uint64_t count) {
  Cursor in(stream);
  std::vector<Code> codes;
  uint64_t expected_start = 0;
  std::array<uint64_t, 4> base{};
  std::array<uint64_t, 4> last_use{};
  uint64_t uses = 0;
  for (uint64_t i = 0; i < count; ++i) {
    Code code;
    code.start = expected_start + static_cast<uint64_t>(in.s());
    const uint64_t instructions = in.fixed(1);
    const uint64_t accesses = in.fixed(1);
    expected_start = code.start;
    for (uint64_t k = 0; k < instructions; ++k) {
      code.lengths.push_back(static_cast<unsigned>(in.fixed(1)));
      expected_start += code.lengths.back();
    }
    unsigned instruction = 0;
    for (uint64_t k = 0; k < accesses; ++k) {
      Access access{};
      instruction += static_cast<unsigned>(in.fixed(1));
      access.instruction = instruction;
      const uint64_t shape = in.u();
      access.kind =
          std::array{AccessKind::Load, AccessKind::Store, AccessKind::Modify}.at(shape % 4);
      access.bytes = static_cast<unsigned>(shape / 4 + 1);
      const uint64_t which = in.fixed(1);
      const uint64_t from = base.at(which);
      access.last = from + static_cast<uint64_t>(in.s());
      uint64_t replaced = which;
      if (apart(access.last, from) >= 16777216) {
        for (uint64_t b = 0; b < 4; ++b) {
          if (last_use[b] < last_use[replaced]) replaced = b;
        }
      }
      base[replaced] = access.last;
      last_use[replaced] = ++uses;
      code.accesses.push_back(access);
    }
    codes.push_back(code);
  }
  require(in.at_end(), "dictionary too long");
  return codes;
}

Event read_event(uint64_t kind, Cursor& in) {
  switch (kind) {
    case 0: {
      ExecEvent e;
      e.program = in.text();
      for (uint64_t n = in.u(); n > 0; --n)
        e.arguments.push_back(in.text());
      for (uint64_t n = in.u(); n > 0; --n) {
        ImageArea area;
        area.range.begin = in.addr();
        area.range.end = in.addr();
        area.prot = in.u32();
        area.flags = in.u32();
        area.file_offset = in.u();
        area.name = in.text();
        e.image.push_back(area);
      }
      e.brk = in.addr();
      e.stack_top = in.addr();
      return e;
    }
    case 1: {
      MmapEvent e;
      e.hint = in.addr();
      e.length = in.u();
      e.prot = in.u32();
      e.flags = in.u32();
      e.fd = in.s32();
      e.offset = in.u();
      e.result = in.s();
      e.file = in.text();
      return e;
    }
    case 2: {
      MunmapEvent e;
      e.start = in.addr();
      e.length = in.u();
      e.result = in.s();
      return e;
    }
    case 3: {
      MprotectEvent e;
      e.start = in.addr();
      e.length = in.u();
      e.prot = in.u32();
      e.result = in.s();
      return e;
    }
    case 4: {
      MremapEvent e;
      e.old_start = in.addr();
      e.old_length = in.u();
      e.new_length = in.u();
      e.flags = in.u32();
      e.new_hint = in.addr();
      e.result = in.s();
      return e;
    }
    case 5: {
      BrkEvent e;
      e.requested = in.addr();
      e.result = in.addr();
      return e;
    }
    case 6: {
      MadviseEvent e;
      e.start = in.addr();
      e.length = in.u();
      e.advice = in.u32();
      e.result = in.s();
      return e;
    }
    case 7: {
      ForkEvent e;
      e.child.pid = Pid(in.u32());
      e.child.tid = Tid(in.u32());
      e.clone_flags = in.u();
      e.shares_memory = in.flag();
      return e;
    }
    case 8: {
      ExitEvent e;
      e.status = in.s32();
      e.whole_process = in.flag();
      return e;
    }
    case 9: {
      WaitEvent e;
      e.child = Pid(in.u32());
      e.status = in.s32();
      return e;
    }
    case 10:
      return SwitchEvent{CpuId(in.u32())};
    case 11:
      return MarkerEvent{in.text()};
    case 12: {
      TruncateEvent e;
      e.fd = in.s32();
      e.length = in.u();
      e.result = in.s();
      e.file = in.text();
      return e;
    }
    case 13: {
      FallocateEvent e;
      e.fd = in.s32();
      e.mode = in.u32();
      e.offset = in.u();
      e.length = in.u();
      e.result = in.s();
      e.file = in.text();
      return e;
    }
    case 14: {
      MsyncEvent e;
      e.start = in.addr();
      e.length = in.u();
      e.flags = in.u32();
      e.result = in.s();
      return e;
    }
    case 15: {
      LockEvent e;
      e.what = in.u32();
      e.start = in.addr();
      e.length = in.u();
      e.flags = in.u32();
      e.result = in.s();
      return e;
    }
    case 16: {
      ThpEvent e;
      e.disable = in.u32();
      e.flags = in.u32();
      e.result = in.s();
      return e;
    }
    case 17: {
      ProcessMadviseEvent e;
      e.target = Pid(in.u32());
      e.start = in.addr();
      e.length = in.u();
      e.advice = in.u32();
      e.result = in.s();
      return e;
    }
    case 18: {
      OtherCallEvent e;
      e.name = in.text();
      e.result = in.s();
      return e;
    }
    default:
      throw std::runtime_error("unknown event");
  }
}

// A reference as page streams see it.
struct Unit {
  uint64_t page;
  AccessKind kind;
  bool crosses;
  bool operator==(const Unit&) const = default;
};
struct UnitRun {
  Totals totals;
  std::vector<Unit> units;
};

uint64_t digest(const Unit& unit) {
  const uint64_t word =
      unit.page * 4096 + static_cast<uint64_t>(unit.kind) + (unit.crosses ? 4 : 0);
  const uint64_t product = word * 0x9e3779b97f4a7c15;
  return product ^ (product / 4294967296);
}

// What a page stream keeps of a run, by looking back from each reference: to the last one of its
// side to the page, through those that are alike modulo `sets`.
std::vector<Unit> kept(const UnitRun& run, uint64_t sets) {
  std::vector<Unit> result;
  for (size_t i = 0; i < run.units.size(); ++i) {
    const Unit& unit = run.units[i];
    const bool fetch = unit.kind == AccessKind::Fetch;
    bool known = false;
    for (size_t k = i; k-- > 0 && !known;) {
      const Unit& before = run.units[k];
      if ((before.kind == AccessKind::Fetch) != fetch) continue;
      if (before.crosses &&
          (before.page % sets == unit.page % sets || (before.page + 1) % sets == unit.page % sets))
        break;
      if (before.crosses || before.page % sets != unit.page % sets) continue;
      if (before.page != unit.page) break;
      known = !writes(unit.kind) || writes(before.kind);
    }
    if (!known || unit.crosses) result.push_back(unit);
  }
  return result;
}

// The page streams of a chunk against what its columns say.
void read_pages(const std::array<std::string, 3>& streams, bool returns,
                const std::array<uint64_t, 3>& digests, const std::vector<UnitRun>& chunk) {
  Cursor runs(streams[0]);
  Cursor pages(streams[1]);
  Cursor back(streams[2]);
  std::vector<Unit> named;
  uint64_t page = 0;
  const uint64_t count = pages.u();
  while (named.size() < count) {
    const uint64_t what = pages.fixed(1);
    page += static_cast<uint64_t>(pages.s());
    named.push_back({page, static_cast<AccessKind>(what % 4), what / 4 == 1});
  }
  uint64_t all = 0;
  uint64_t of_sets = 0;
  uint64_t of_any = 0;
  for (const UnitRun& run : chunk) {
    if (run.units.empty()) continue;
    for (const Unit& unit : run.units)
      all += digest(unit);
    require(runs.u() == run.totals.instructions && runs.u() == run.totals.loads &&
                runs.u() == run.totals.stores && runs.u() == run.totals.modifies,
            "totals of a run");
    const uint64_t for_sets = runs.u();
    const uint64_t for_any = runs.u();
    std::vector<Unit> sets;
    while (sets.size() < for_sets)
      sets.push_back(named.at(pages.fixed(count <= 65536 ? 2 : 4)));
    require(sets == kept(run, 16), "what is kept for sets");
    for (const Unit& unit : sets)
      of_sets += digest(unit);
    const std::vector<Unit> any = kept(run, 1);
    require(any.size() == for_any, "how many are kept for any first level");
    for (const Unit& unit : any)
      of_any += digest(unit);
    size_t next = 0;
    for (uint64_t i = 0; returns && i < for_any; ++i) {
      const uint64_t what = back.fixed(1);
      if (what == 64) {
        require(sets.at(next++) == any.at(i), "a next page");
        continue;
      }
      require(
          static_cast<AccessKind>(what / 16) == any.at(i).kind && what % 16 == any.at(i).page % 16,
          "a return");
      const bool fetch = any.at(i).kind == AccessKind::Fetch;
      size_t k = next;
      while (k > 0 && ((sets.at(k - 1).kind == AccessKind::Fetch) != fetch ||
                       sets.at(k - 1).page % 16 != what % 16))
        --k;
      require(k > 0 && sets.at(k - 1).page == any.at(i).page, "where a return goes");
    }
  }
  require(runs.at_end() && pages.at_end() && back.at_end(), "page streams too long");
  require(digests == std::array{all, all - of_sets, all - of_any}, "digests");
}

class ChunkReading {
 public:
  ChunkReading(const std::array<std::string, 5>& streams, uint64_t static_blocks, uint64_t coding,
               History& history)
      : by_width_(coding != 0),
        repeats_(coding == 2),
        codes_(read_dictionary(streams[0], static_blocks)),
        control_(streams[1]),
        numbers_(streams[2]),
        widths_(streams[3]),
        differences_(streams[4]),
        number_bytes_(static_blocks <= 65536 ? 2 : 4),
        history_(history) {
    if (!by_width_) return;
    std::array<uint64_t, 16> counts{};
    for (const char pair : streams[3]) {
      ++counts.at(static_cast<unsigned char>(pair) % 16);
      ++counts.at(static_cast<unsigned char>(pair) / 16);
    }
    uint64_t at = 0;
    for (size_t width = 1; width <= 8; ++width) {
      of_width_.push_back(Cursor(streams[4].substr(at, width * counts.at(width))));
      at += width * counts.at(width);
    }
    require(at == streams[4].size(), "differences");
  }

  Totals run() {
    for (;;) {
      const Totals before = totals_;
      runs_.emplace_back();
      for (uint64_t n = control_.u(); n > 0; --n)
        block();
      Totals& totals = runs_.back().totals;
      totals.instructions = totals_.instructions - before.instructions;
      totals.loads = totals_.loads - before.loads;
      totals.stores = totals_.stores - before.stores;
      totals.modifies = totals_.modifies - before.modifies;
      if (control_.at_end()) break;
      const uint64_t kind = control_.fixed(1);
      if (kind == 255) {
        thread_.pid = Pid(control_.u32());
        thread_.tid = Tid(control_.u32());
        continue;
      }
      const uint64_t length = control_.u();
      const uint64_t begin = control_.at();
      Happening h;
      h.thread = thread_;
      h.is_event = true;
      h.event = read_event(kind, control_);
      require(control_.at() == begin + length, "event length");
      history_.push_back(h);
      ++totals_.events;
    }
    require(numbers_.at_end() && widths_.at_end() && (by_width_ || differences_.at_end()),
            "streams too long");
    for (const Cursor& of : of_width_)
      require(of.at_end(), "too many differences");
    return totals_;
  }
  [[nodiscard]] const std::vector<UnitRun>& runs() const { return runs_; }

 private:
  void block() {
    Code& code = codes_.at(numbers_.fixed(number_bytes_));
    uint64_t pc = code.start;
    size_t access = 0;
    ++totals_.blocks;
    for (unsigned i = 0; i < code.lengths.size(); ++i) {
      history_.push_back({thread_, false, AccessKind::Fetch, pc, code.lengths[i], Event{}});
      unit(AccessKind::Fetch, pc, code.lengths[i], i == 0);
      ++totals_.instructions;
      pc += code.lengths[i];
      for (; access < code.accesses.size() && code.accesses[access].instruction == i; ++access) {
        Access& a = code.accesses[access];
        a.last += difference();
        history_.push_back({thread_, false, a.kind, a.last, a.bytes, Event{}});
        unit(a.kind, a.last, a.bytes, true);
        totals_.loads += a.kind == AccessKind::Load ? 1 : 0;
        totals_.stores += a.kind == AccessKind::Store ? 1 : 0;
        totals_.modifies += a.kind == AccessKind::Modify ? 1 : 0;
      }
    }
  }

  // Of a block's fetches the first is one, and one that crosses.
  void unit(AccessKind kind, uint64_t address, unsigned bytes, bool counts) {
    const bool crosses = address % 4096 + bytes > 4096;
    if (counts || crosses) runs_.back().units.push_back({address / 4096, kind, crosses});
  }

  uint64_t difference() {
    if (!half_) pair_ = widths_.fixed(1);
    const auto width = static_cast<unsigned>(half_ ? pair_ / 16 : pair_ % 16);
    half_ = !half_;
    if (width == 0) return 0;
    if (width >= 12) {
      require(repeats_, "a repetition");
      const size_t back = width - 12;
      return back < stored_.size() ? stored_.at(stored_.size() - 1 - back) : 0;
    }
    Cursor& from = by_width_ ? of_width_.at(width - 1) : differences_;
    stored_.push_back(from.fixed(width) - (uint64_t{1} << (8 * width - 1)));
    return stored_.back();
  }

  bool by_width_;
  bool repeats_;
  std::vector<uint64_t> stored_;  // all differences that stand in the chunk
  std::vector<Cursor> of_width_;
  std::vector<UnitRun> runs_;
  std::vector<Code> codes_;
  Cursor control_;
  Cursor numbers_;
  Cursor widths_;
  Cursor differences_;
  unsigned number_bytes_;
  History& history_;
  ThreadId thread_{};
  Totals totals_;
  uint64_t pair_ = 0;
  bool half_ = false;
};

std::string decompress(const std::string& frame, uint64_t size) {
  std::string out(size, '\0');
  const size_t got = ZSTD_decompress(out.data(), out.size(), frame.data(), frame.size());
  require(got == size, "decompression");
  return out;
}

Header read_header(Cursor& in, const std::string& content, uint64_t& version) {
  require(in.take(8) == std::string("\xcdMMT\r\n\x1a\n"), "magic");
  version = in.fixed(4);
  require(version >= 1 && version <= 3, "version");
  const uint64_t body = in.fixed(4);
  Cursor fields(in.take(body));
  Header header;
  header.isa = fields.text();
  header.big_endian = fields.flag();
  header.page = PageShift(static_cast<unsigned>(fields.fixed(1)));
  header.program = fields.text();
  header.recorder = fields.text();
  header.notes = fields.text();
  require(fields.at_end(), "header");
  require(in.fixed(8) == xxh3(content.substr(0, 16 + body)), "header hash");
  return header;
}

}  // namespace

SecondReading read_by_the_book(const std::string& content) {
  SecondReading result;
  Cursor in(content);
  uint64_t version = 0;
  result.header = read_header(in, content, version);
  const uint64_t header_bytes = in.at();

  Cursor trailer(content.substr(content.size() - 32));
  const uint64_t index_offset = trailer.fixed(8);
  const uint64_t index_bytes = trailer.fixed(8);
  const uint64_t index_hash = trailer.fixed(8);
  require(trailer.take(8) == std::string("\xcdMMTend\n"), "trailer magic");
  require(index_offset + index_bytes + 32 == content.size(), "trailer");
  const std::string index_content = content.substr(index_offset, index_bytes);
  require(xxh3(index_content) == index_hash, "index hash");
  Cursor index(index_content);
  require(index.take(4) == "INDX" && index.fixed(4) == 0, "index magic");
  require(index.fixed(8) == xxh3(content.substr(0, header_bytes)), "index names header");

  while (!index.at_end()) {
    const uint64_t offset = index.fixed(8);
    const uint64_t bytes = index.fixed(8);
    const uint64_t raw_bytes = index.fixed(8);
    const Totals totals = read_totals(index);
    const uint64_t content_hash = index.fixed(8);
    require(offset == in.at(), "chunk offset");

    require(in.take(4) == "CHNK", "chunk magic");
    const uint64_t static_blocks = in.fixed(4);
    require(read_totals(in) == totals, "totals");
    const size_t stored = version == 1 ? 5 : 8;
    std::array<uint64_t, 8> raw{};
    std::array<uint64_t, 8> packed{};
    std::array<uint64_t, 8> hash{};
    for (size_t i = 0; i < stored; ++i) {
      raw.at(i) = in.fixed(4);
      packed.at(i) = in.fixed(4);
      if (version != 1) hash.at(i) = in.fixed(8);
    }
    std::array<uint64_t, 3> digests{};
    uint64_t coding = 0;
    if (version != 1) {
      for (uint64_t& one : digests)
        one = in.fixed(8);
      coding = in.fixed(4);
      require(coding < version, "coding");
      require(in.fixed(4) == 0, "reserved");
    }
    require(in.fixed(8) == content_hash, "content hash");
    const uint64_t payload_hash = version == 1 ? in.fixed(8) : 0;
    require(xxh3(content.substr(offset, in.at() - offset)) == in.fixed(8), "chunk header hash");
    std::array<std::string, 5> streams;
    std::string payload;
    std::string all;
    std::array<std::string, 3> pages;
    for (size_t i = 0; i < stored; ++i) {
      const std::string frame = in.take(packed.at(i));
      require(version == 1 || frame.empty() || xxh3(frame) == hash.at(i), "hash of a stream");
      if (i >= 5) {
        if (!frame.empty()) pages.at(i - 5) = decompress(frame, raw.at(i));
        continue;
      }
      payload += frame;
      streams.at(i) = decompress(frame, raw.at(i));
      all += streams.at(i);
    }
    require(version != 1 || xxh3(payload) == payload_hash, "hash of the streams");
    require(in.at() == offset + bytes && all.size() == raw_bytes, "chunk size");
    if (coding != 0) all += static_cast<char>(coding);
    require(xxh3(all) == content_hash, "hash of the content");
    ChunkReading reading(streams, static_blocks, coding, result.history);
    require(reading.run() == totals, "totals");
    result.page_streams += packed.at(6) != 0 ? 1 : 0;
    if (packed.at(6) != 0) read_pages(pages, packed.at(7) != 0, digests, reading.runs());
    result.totals += totals;
  }
  require(in.at() == index_offset, "chunks end at the index");
  return result;
}

}  // namespace mmusim::trace::testing
