#include "trace/export/drmemtrace.h"

#include <array>
#include <cstring>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/linux_abi.h"
#include "trace/export/batch_walk.h"
#include "trace/export/buffered_file.h"
#include "trace/import/drmemtrace_calls.h"
#include "trace/import/drmemtrace_format.h"

namespace mmusim::trace {
namespace {

constexpr const char* kDrmemtraceExportHelp =
    R"(One file of records, as DynamoRIO writes them of one core: threads follow each other in it as in
the trace. Version 4 of the format, which has neither encodings nor kinds of branches. Plain; gzip
it if it is to be small. 'mmusim trace import' reads it back. It was not tried with DynamoRIO.

Calls are written with arguments and results, as by -record_syscall; fork and clone as clone; the
end of a process ends each of its threads. Time stamps count instructions.

What the format cannot say, counted at the end: an exec, its areas and arguments; names of files;
marks; calls without a number on the ISA. An access that loads and stores is a load and a store.
Only traces of x86_64, i386, aarch64 and arm.
)";

using drmemtrace::CallKind;
using drmemtrace::CallType;
using drmemtrace::Isa;

constexpr uint64_t kExportedVersion = 4;

// The records of one file; Address is as wide as the ISA's.
template <class Address>
class RecordFile {
 public:
  explicit RecordFile(const std::string& path) : file_(path) {}

  void add(uint16_t type, unsigned size, uint64_t value) {
    constexpr size_t kBytes = drmemtrace::kRecordBytes<Address>;
    if (value > static_cast<Address>(-1)) too_wide(value);
    char* const at = file_.room(kBytes);
    const auto narrow_size = static_cast<uint16_t>(size);
    const auto narrow = static_cast<Address>(value);
    std::memcpy(at, &type, 2);
    std::memcpy(at + 2, &narrow_size, 2);
    std::memcpy(at + 4, &narrow, sizeof narrow);
    file_.put(at + kBytes);
    ++count_;
  }
  void mark(uint16_t kind, uint64_t value) { add(drmemtrace::kMarker, kind, value); }
  void finish() { file_.commit(); }
  [[nodiscard]] uint64_t count() const { return count_; }
  [[nodiscard]] uint64_t bytes() const { return file_.bytes_written(); }

 private:
  [[noreturn]] void too_wide(uint64_t value) const {
    throw Error(file_.path(), fmt::format("the trace has {:#x}, which a record of {} bits cannot "
                                          "hold",
                                          value, 8 * sizeof(Address)));
  }

  BufferedFile file_;
  uint64_t count_ = 0;
};

template <class Address>
class Export {
 public:
  Export(const std::string& path, const Header& header, Isa isa) : file_(path), isa_(isa) {
    constexpr std::array kBits = {drmemtrace::kArchX86_64, drmemtrace::kArchX86_32,
                                  drmemtrace::kArchAarch64, drmemtrace::kArchArm32};
    file_.add(drmemtrace::kHeader, 0, kExportedVersion);
    file_.mark(drmemtrace::kVersion, kExportedVersion);
    file_.mark(drmemtrace::kFileType, kBits[static_cast<size_t>(isa)] | drmemtrace::kCoreSharded |
                                          drmemtrace::kSyscallNumbers);
    page_bytes_ = header.page.bytes();
  }

  void batch(const Batch& batch) {
    thread(batch.thread);
    if (batch.event != nullptr) {
      std::visit(*this, *batch.event);
      return;
    }
    walk(
        batch,
        [&](uint64_t address, unsigned bytes) { file_.add(drmemtrace::kInstr, bytes, address); },
        [&](AccessKind kind, uint64_t address, unsigned bytes) {
          if (kind != AccessKind::Store) file_.add(drmemtrace::kRead, bytes, address);
          if (kind != AccessKind::Load) file_.add(drmemtrace::kWrite, bytes, address);
        });
    result_.totals += batch.totals;
    modifies_ += batch.totals.modifies;
  }

  ExportResult finish() {
    file_.add(drmemtrace::kFooter, 0, 0);
    file_.finish();
    result_.output_records = file_.count();
    result_.output_bytes = file_.bytes();
    result_.remarks = {{"accesses that load and store, written as a load and a store", modifies_},
                       {"events that the format cannot say, left out", left_out_}};
    return std::move(result_);
  }

  void operator()(const ExecEvent&) { ++left_out_; }
  void operator()(const MarkerEvent&) { ++left_out_; }
  void operator()(const MmapEvent& e) {
    const CallKind kind = drmemtrace::is_64_bit(isa_) ? CallKind::Mmap : CallKind::MmapPages;
    call(kind,
         {e.hint.value(), e.length, e.prot, e.flags, word(e.fd),
          kind == CallKind::Mmap ? e.offset : e.offset / drmemtrace::kMmapUnit},
         e.result);
  }
  void operator()(const MunmapEvent& e) {
    call(CallKind::Munmap, {e.start.value(), e.length}, e.result);
  }
  void operator()(const MprotectEvent& e) {
    call(CallKind::Mprotect, {e.start.value(), e.length, e.prot}, e.result);
  }
  void operator()(const MremapEvent& e) {
    call(CallKind::Mremap,
         {e.old_start.value(), e.old_length, e.new_length, e.flags, e.new_hint.value()}, e.result);
  }
  void operator()(const BrkEvent& e) {
    call(CallKind::Brk, {e.requested.value()}, static_cast<int64_t>(e.result.value()));
  }
  void operator()(const MadviseEvent& e) {
    call(CallKind::Madvise, {e.start.value(), e.length, e.advice}, e.result);
  }
  void operator()(const MsyncEvent& e) {
    call(CallKind::Msync, {e.start.value(), e.length, e.flags}, e.result);
  }
  void operator()(const LockEvent& e) {
    if (e.what == LockEvent::LockAll) {
      call(CallKind::LockAll, {e.flags}, e.result);
    } else if (e.what == LockEvent::UnlockAll) {
      call(CallKind::UnlockAll, {}, e.result);
    } else if (e.what == LockEvent::Unlock) {
      call(CallKind::Unlock, {e.start.value(), e.length}, e.result);
    } else if (e.flags == 0) {
      call(CallKind::Lock, {e.start.value(), e.length}, e.result);
    } else {
      call(CallKind::Lock2, {e.start.value(), e.length, e.flags}, e.result);
    }
  }
  void operator()(const TruncateEvent& e) {
    call(CallKind::Ftruncate, {word(e.fd), e.length}, e.result);
  }
  void operator()(const FallocateEvent& e) {
    call(CallKind::Fallocate, {word(e.fd), e.mode, e.offset, e.length}, e.result);
  }
  void operator()(const ThpEvent& e) {
    call(CallKind::Prctl, {drmemtrace::kPrSetThpDisable, e.disable, e.flags}, e.result);
  }
  void operator()(const ProcessMadviseEvent&) { named("process_madvise"); }
  void operator()(const OtherCallEvent& e) { named(e.name); }
  void operator()(const ForkEvent& e) {
    const uint64_t flags = e.clone_flags | (e.shares_memory ? uint64_t{abi::kCloneVm} : 0);
    call(CallKind::Clone, {flags}, e.child.tid.value());
    live_[e.child.pid].insert(e.child.tid);
  }
  void operator()(const WaitEvent& e) { call(CallKind::Wait4, {e.child.value()}, e.child.value()); }
  void operator()(const SwitchEvent& e) { time(e.cpu.value()); }
  void operator()(const ExitEvent& e) {
    constexpr unsigned kByte = 8;  // as wait4 gives an exit code
    if (const CallType* const type = drmemtrace::call_of_kind(isa_, CallKind::Exit))
      begin_call(*type, {static_cast<uint32_t>(e.status) >> kByte & 0xff});
    std::set<Tid>& live = live_[thread_->pid];
    live.erase(thread_->tid);
    if (e.whole_process) {
      for (const Tid tid : live)
        file_.add(drmemtrace::kThreadExit, 4, tid.value());
      live_.erase(thread_->pid);
    }
    file_.add(drmemtrace::kThreadExit, 4, thread_->tid.value());
    thread_.reset();
    ++result_.totals.events;
  }

 private:
  static uint64_t word(int32_t value) { return static_cast<Address>(static_cast<int64_t>(value)); }

  void thread(ThreadId id) {
    if (thread_ == id) return;
    const bool first = file_.count() == kRecordsBeforeThread;
    thread_ = id;
    live_[id.pid].insert(id.tid);
    file_.add(drmemtrace::kThread, 4, id.tid.value());
    file_.add(drmemtrace::kPid, 4, id.pid.value());
    if (!first) return;
    constexpr uint64_t kLine = 64;
    file_.mark(drmemtrace::kCacheLineSize, kLine);
    file_.mark(drmemtrace::kPageSize, page_bytes_);
    time(std::nullopt);
  }

  void time(std::optional<uint32_t> cpu) {
    file_.mark(drmemtrace::kTimestamp,
               static_cast<Address>(kFirstTime + result_.totals.instructions));
    file_.mark(drmemtrace::kCpuId, cpu ? *cpu & 0xfff : static_cast<Address>(-1));
  }

  void begin_call(const CallType& type, std::initializer_list<uint64_t> arguments) {
    const auto number = static_cast<uint64_t>(type.numbers[static_cast<size_t>(isa_)]);
    file_.mark(drmemtrace::kSyscall, number);
    file_.mark(drmemtrace::kFuncId, drmemtrace::kSyscallBase<Address> + number);
    for (const uint64_t argument : arguments)
      file_.mark(drmemtrace::kFuncArg, argument);
  }

  void call(CallKind kind, std::initializer_list<uint64_t> arguments, int64_t result) {
    const CallType* const type = drmemtrace::call_of_kind(isa_, kind);
    if (type == nullptr) {
      ++left_out_;
      return;
    }
    begin_call(*type, arguments);
    file_.mark(drmemtrace::kFuncId,
               drmemtrace::kSyscallBase<Address> +
                   static_cast<uint64_t>(type->numbers[static_cast<size_t>(isa_)]));
    const auto value = static_cast<uint64_t>(result);
    file_.mark(drmemtrace::kFuncRetval, failed(result) ? static_cast<Address>(value) : value);
    if (failed(result)) file_.mark(drmemtrace::kSyscallFailed, static_cast<uint64_t>(-result));
    ++result_.totals.events;
  }

  // A call of which only the name is known.
  void named(const std::string& name) {
    const CallType* const type = drmemtrace::call_named(isa_, name);
    if (type == nullptr) {
      ++left_out_;
      return;
    }
    file_.mark(drmemtrace::kSyscall,
               static_cast<uint64_t>(type->numbers[static_cast<size_t>(isa_)]));
    time(std::nullopt);  // after which nobody waits for arguments
    ++result_.totals.events;
  }

  static constexpr uint64_t kRecordsBeforeThread = 3;
  static constexpr uint64_t kFirstTime = 1;

  RecordFile<Address> file_;
  Isa isa_;
  uint64_t page_bytes_ = 0;
  std::optional<ThreadId> thread_;
  std::map<Pid, std::set<Tid>> live_;
  uint64_t modifies_ = 0;
  uint64_t left_out_ = 0;
  ExportResult result_;
};

template <class Address>
ExportResult export_all(Reader& reader, const std::string& output, const ExportOptions& options,
                        Isa isa) {
  Export<Address> writer(output, reader.header(), isa);
  for_each_batch(reader, options, [&](const Batch& batch) { writer.batch(batch); });
  return writer.finish();
}

ExportResult write_drmemtrace(Reader& reader, const std::string& output,
                              const ExportOptions& options, const config::Config&) {
  const std::optional<Isa> isa = drmemtrace::isa_named(reader.header().isa);
  if (!isa) {
    throw Error(output, fmt::format("drmemtrace has no traces of {}", reader.header().isa),
                "it has those of x86_64, i386, aarch64 and arm");
  }
  return drmemtrace::is_64_bit(*isa) ? export_all<uint64_t>(reader, output, options, *isa)
                                     : export_all<uint32_t>(reader, output, options, *isa);
}

}  // namespace

const Exporter kDrmemtraceExporter = {
    .name = "drmemtrace",
    .summary = "DynamoRIO's offline traces, one file of all threads",
    .unit = "records",
    .help = kDrmemtraceExportHelp,
    .declare = [](config::Schema&) {},
    .write = write_drmemtrace,
};

}  // namespace mmusim::trace
