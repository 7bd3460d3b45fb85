// A sink that writes down what an importer tells it, a line for each record, to compare with what
// was expected. Holds the calls to the contract of Writer.
#ifndef MMUSIM_TESTS_UNIT_TRACE_IMPORT_RECORDING_SINK_H_
#define MMUSIM_TESTS_UNIT_TRACE_IMPORT_RECORDING_SINK_H_

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <variant>
#include <vector>

#include "trace/import/lackey_import.h"

namespace mmusim::trace::lackey {

inline std::string text_of(const Event& event) {
  const struct {
    std::string operator()(const ExecEvent& e) const {
      return fmt::format("exec {} [{}]", e.program, fmt::join(e.arguments, "|"));
    }
    std::string operator()(const MmapEvent& e) const {
      return fmt::format("mmap {:x} {} prot {} flags {} fd {} at {} = {:x}{}", e.hint.value(),
                         e.length, e.prot, e.flags, e.fd, e.offset, e.result,
                         e.file.empty() ? "" : " " + e.file);
    }
    std::string operator()(const MunmapEvent& e) const {
      return fmt::format("munmap {:x} {} = {}", e.start.value(), e.length, e.result);
    }
    std::string operator()(const MprotectEvent& e) const {
      return fmt::format("mprotect {:x} {} prot {} = {}", e.start.value(), e.length, e.prot,
                         e.result);
    }
    std::string operator()(const MremapEvent& e) const {
      return fmt::format("mremap {:x} {} {} flags {} {:x} = {:x}", e.old_start.value(),
                         e.old_length, e.new_length, e.flags, e.new_hint.value(), e.result);
    }
    std::string operator()(const BrkEvent& e) const {
      return fmt::format("brk {:x} = {:x}", e.requested.value(), e.result.value());
    }
    std::string operator()(const MadviseEvent& e) const {
      return fmt::format("madvise {:x} {} {} = {}", e.start.value(), e.length, e.advice, e.result);
    }
    std::string operator()(const ForkEvent& e) const {
      return fmt::format("fork {}/{} flags {:x}{}", e.child.pid.value(), e.child.tid.value(),
                         e.clone_flags, e.shares_memory ? " shared" : "");
    }
    std::string operator()(const ExitEvent& e) const {
      return fmt::format("exit {}{}", e.status, e.whole_process ? "" : " thread");
    }
    std::string operator()(const WaitEvent& e) const {
      return fmt::format("wait {} {}", e.child.value(), e.status);
    }
    std::string operator()(const SwitchEvent& e) const {
      return fmt::format("switch {}", e.cpu.value());
    }
    std::string operator()(const MarkerEvent& e) const { return "marker " + e.text; }
    std::string operator()(const TruncateEvent& e) const {
      return fmt::format("truncate fd {} {} = {} {}", e.fd, e.length, e.result, e.file);
    }
    std::string operator()(const FallocateEvent& e) const {
      return fmt::format("fallocate fd {} mode {} {} {} = {} {}", e.fd, e.mode, e.offset, e.length,
                         e.result, e.file);
    }
    std::string operator()(const MsyncEvent& e) const {
      return fmt::format("msync {:x} {} {} = {}", e.start.value(), e.length, e.flags, e.result);
    }
    std::string operator()(const LockEvent& e) const {
      return fmt::format("mlock {} {:x} {} {} = {}", e.what, e.start.value(), e.length, e.flags,
                         e.result);
    }
    std::string operator()(const ThpEvent& e) const {
      return fmt::format("thp {} {} = {}", e.disable, e.flags, e.result);
    }
    std::string operator()(const ProcessMadviseEvent& e) const {
      return fmt::format("process_madvise {} {:x} {} {} = {}", e.target.value(), e.start.value(),
                         e.length, e.advice, e.result);
    }
    std::string operator()(const OtherCallEvent& e) const {
      return fmt::format("other {} = {}", e.name, e.result);
    }
  } visitor;
  return std::visit(visitor, event);
}

class RecordingSink {
 public:
  void thread(ThreadId thread) {
    thread_ = thread;
    named_ = true;
    instruction_ = false;
  }
  void instruction(VirtAddr address, unsigned bytes) {
    EXPECT_TRUE(named_);
    EXPECT_TRUE(bytes >= 1 && bytes <= kMaxInstructionBytes) << bytes;
    instruction_ = true;
    add(fmt::format("I {:x},{}", address.value(), bytes));
  }
  void access(AccessKind kind, VirtAddr address, unsigned bytes) {
    EXPECT_TRUE(instruction_);
    EXPECT_NE(kind, AccessKind::Fetch);
    EXPECT_TRUE(bytes >= 1 && bytes <= kMaxAccessBytes) << bytes;
    add(fmt::format("{} {:x},{}", "?LSM"[static_cast<int>(kind)], address.value(), bytes));
  }
  void event(const Event& event) {
    EXPECT_TRUE(named_);
    instruction_ = false;
    add(text_of(event));
  }

  std::vector<std::string> records;  // "PID/TID text"

 private:
  void add(const std::string& text) {
    records.push_back(fmt::format("{}/{} {}", thread_.pid.value(), thread_.tid.value(), text));
  }
  ThreadId thread_{};
  bool named_ = false;
  bool instruction_ = false;
};

// A directory that goes with the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mmusim-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw Error(pattern, "cannot make a directory");
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }

 private:
  std::string path_;
};

struct Imported {
  std::vector<std::string> records;
  ImportResult result;
};

inline Imported import(const std::vector<std::string>& paths, const Options& options = {}) {
  RecordingSink sink;
  ImportResult result = Import<RecordingSink>(open_logs(paths), sink, options).run();
  return {std::move(sink.records), std::move(result)};
}

}  // namespace mmusim::trace::lackey

#endif  // MMUSIM_TESTS_UNIT_TRACE_IMPORT_RECORDING_SINK_H_
