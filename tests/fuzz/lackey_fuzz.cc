// The lackey importer on anything: two logs cut out of the input, strict or not. Whatever comes
// must end in a trace or an Error, and what reaches the sink must keep to the writer's contract.
#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

#include "trace/import/lackey_import.h"

namespace {

using mmusim::AccessKind;
using mmusim::Error;
using mmusim::VirtAddr;
namespace trace = mmusim::trace;

void require(bool condition) {
  if (!condition) std::abort();
}

class CheckingSink {
 public:
  void thread(trace::ThreadId) {
    named_ = true;
    instruction_ = false;
  }
  void instruction(VirtAddr, unsigned bytes) {
    require(named_ && bytes >= 1 && bytes <= trace::kMaxInstructionBytes);
    instruction_ = true;
  }
  void access(AccessKind kind, VirtAddr, unsigned bytes) {
    require(instruction_ && kind != AccessKind::Fetch && bytes >= 1 &&
            bytes <= trace::kMaxAccessBytes);
  }
  void event(const trace::Event&) {
    require(named_);
    instruction_ = false;
  }

 private:
  bool named_ = false;
  bool instruction_ = false;
};

int file_of(std::string_view content) {
  const int fd = memfd_create("log", MFD_CLOEXEC);
  require(fd >= 0 &&
          write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  return fd;
}

}  // namespace

// The first byte chooses the mode. A 0xff byte ends the first log. In most modes the logs are given
// a good header, so that fuzzing need not find one.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t mode = data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t cut = std::min(rest.find('\xff'), rest.size());
  std::vector<std::string> paths;
  int fds[2];
  const std::string_view parts[] = {rest.substr(0, cut),
                                    cut < rest.size() ? rest.substr(cut + 1) : ""};
  for (int i = 0; i < 2; ++i) {
    const std::string_view part = parts[static_cast<size_t>(i)];
    const std::string header = fmt::format(
        "=={0}== Lackey, an example Valgrind tool\n=={0}== Command: x\n=={0}== Parent "
        "PID: {1}\n",
        7 + i, 6 + i);
    fds[i] = file_of((mode & 1) != 0 ? std::string(part) : header + std::string(part));
    paths.push_back(fmt::format("/proc/self/fd/{}", fds[i]));
  }
  trace::lackey::Options options;
  options.strict = (mode & 2) != 0;
  options.quantum = 1 + (mode >> 4);
  try {
    CheckingSink sink;
    trace::lackey::Import<CheckingSink>(trace::lackey::open_logs(paths), sink, options).run();
  } catch (const Error&) {
  }
  for (const int fd : fds)
    close(fd);
  return 0;
}
