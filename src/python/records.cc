#include "python/records.h"

#include <fmt/format.h>

#include "base/bits.h"
#include "base/error.h"
#include "cli/names.h"
#include "config/nearest.h"
#include "python/event_dict.h"
#include "python/text.h"

namespace mmusim::python {
namespace py = pybind11;
namespace {

trace::KindSet set_of_names(const std::vector<std::string>& names) {
  trace::KindSet set = 0;
  for (const std::string& name : names) {
    const trace::KindSet one = name == "events" ? trace::kAllEvents : trace::kind_named(name);
    if (one == 0)
      throw UsageError("kinds", fmt::format("there is no kind of record '{}'", name),
                       config::suggestion(name, trace::kind_names()));
    set |= one;
  }
  return names.empty() ? trace::kAllKinds : set;
}

AccessKind access_kind(const std::string& name) {
  for (const AccessKind kind : {AccessKind::Load, AccessKind::Store, AccessKind::Modify})
    if (name == name_of(kind)) return kind;
  throw UsageError("kind", fmt::format("'{}' is no kind of data access", name),
                   "it is load, store or modify");
}

trace::Header header_of(const std::string& isa, const std::string& program, uint64_t page,
                        bool big_endian) {
  constexpr uint64_t kSmallest = 4096;
  constexpr uint64_t kLargest = uint64_t{1} << 30;
  if (isa.empty()) throw UsageError("isa", "it is empty", "as in 'x86_64'");
  if (!is_power_of_two(page) || page < kSmallest || page > kLargest)
    throw UsageError("page", fmt::format("{} is no size of a page", page));
  trace::Header header;
  header.isa = isa;
  header.big_endian = big_endian;
  header.page = PageShift(log2_floor(page));
  header.program = program;
  header.recorder = "mmusim's Python module";
  return header;
}

}  // namespace

TraceReader::TraceReader(const std::string& path, bool accept_torn,
                         const std::vector<std::string>& kinds)
    : reader_(cli::find_named("TRACE", path, "trace"),
              trace::ReaderOptions{.accept_torn = accept_torn}),
      kinds_(set_of_names(kinds)) {}

bool TraceReader::has_batch() {
  if (has_batch_) return true;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  has_batch_ = reader_.next(batch_);
  block_ = 0;
  addresses_ = batch_.addresses;
  return has_batch_;
}

void TraceReader::access(py::list& into, AccessKind kind, VirtAddr address, unsigned bytes) {
  if ((kinds_ & trace::set_of(kind)) == 0) return;
  into.append(py::make_tuple(instruction_, batch_.thread.pid.value(), batch_.thread.tid.value(),
                             name_of(kind), address.value(), bytes, py::none()));
}

py::list TraceReader::read(size_t most) {
  py::list records;
  while (records.size() < most && has_batch()) {
    if (batch_.event != nullptr) {
      if ((kinds_ & trace::set_of_event(batch_.event->index())) != 0)
        records.append(py::make_tuple(instruction_, batch_.thread.pid.value(),
                                      batch_.thread.tid.value(), trace::name_of(*batch_.event),
                                      py::none(), py::none(), dict_of(*batch_.event)));
      has_batch_ = false;
      continue;
    }
    if ((kinds_ & ~trace::kAllEvents) == 0) {  // whole batches of accesses that nobody wants
      instruction_ += batch_.totals.instructions;
      has_batch_ = false;
      continue;
    }
    const trace::StaticBlock& block = batch_.table[batch_.blocks[block_]];
    VirtAddr at = block.start;
    size_t op = 0;
    for (unsigned i = 0; i < block.instructions; ++i) {
      access(records, AccessKind::Fetch, at, block.lengths[i]);
      for (; op < block.mem_ops && block.ops[op].instruction == i; ++op)
        access(records, block.ops[op].kind, VirtAddr(addresses_[op]), block.ops[op].bytes);
      at = at + block.lengths[i];
      ++instruction_;
    }
    addresses_ += block.mem_ops;
    has_batch_ = ++block_ < batch_.blocks.size();
  }
  return records;
}

py::dict TraceReader::about() const {
  const trace::Header& header = reader_.header();
  py::dict about;
  about["isa"] = kept_text(header.isa);
  about["big_endian"] = header.big_endian;
  about["page"] = uint64_t{1} << header.page.log2();
  about["program"] = kept_text(header.program);
  about["recorder"] = kept_text(header.recorder);
  about["notes"] = kept_text(header.notes);
  about["torn"] = reader_.torn();
  about["hash"] = reader_.torn() ? py::object(py::none()) : py::str(reader_.content_hash());
  const auto totals = reader_.totals();
  if (totals) {
    about["instructions"] = totals->instructions;
    about["loads"] = totals->loads;
    about["stores"] = totals->stores;
    about["modifies"] = totals->modifies;
    about["events"] = totals->events;
  }
  return about;
}

TraceWriter::TraceWriter(const std::string& path, const std::string& isa,
                         const std::string& program, uint64_t page, bool big_endian)
    : path_(path), writer_(path, header_of(isa, program, page, big_endian)) {}

void TraceWriter::at_work() const {
  if (!open_) throw UsageError(path_, "the trace has been finished");
}

void TraceWriter::instruction(uint32_t pid, uint32_t tid, uint64_t address, uint64_t bytes) {
  at_work();
  if (bytes == 0 || bytes > trace::kMaxInstructionBytes)
    throw UsageError("bytes", fmt::format("an instruction of {} bytes", bytes),
                     fmt::format("it has 1 to {}", trace::kMaxInstructionBytes));
  writer_.thread({Pid(pid), Tid(tid)});
  writer_.instruction(VirtAddr(address), static_cast<unsigned>(bytes));
  in_instruction_ = true;
}

void TraceWriter::access(const std::string& kind, uint64_t address, uint64_t bytes) {
  at_work();
  if (!in_instruction_)
    throw UsageError("", "no instruction makes this access", "give the instruction first");
  if (bytes == 0 || bytes > trace::kMaxAccessBytes)
    throw UsageError("bytes", fmt::format("an access of {} bytes", bytes),
                     fmt::format("it has 1 to {}", trace::kMaxAccessBytes));
  writer_.access(access_kind(kind), VirtAddr(address), static_cast<unsigned>(bytes));
}

void TraceWriter::event(uint32_t pid, uint32_t tid, const std::string& kind,
                        const py::dict& fields) {
  at_work();
  const trace::Event event = event_of(kind, fields);
  writer_.thread({Pid(pid), Tid(tid)});
  writer_.event(event);
  in_instruction_ = false;
}

void TraceWriter::finish() {
  at_work();
  open_ = false;
  try {
    writer_.finish();
  } catch (...) {  // the error may keep this alive
    writer_.abandon();
    throw;
  }
}

void TraceWriter::abandon() {
  if (open_) writer_.abandon();
  open_ = false;
}

}  // namespace mmusim::python
