#include "trace/import/reference_stream.h"

#include <algorithm>
#include <fmt/format.h>

namespace mmusim::trace {

void ReferenceStream::switch_to(ThreadId thread) {
  if (has_thread_) slot(thread_) = last_;
  thread_ = thread;
  has_thread_ = true;
  has_instruction_ = false;
  last_ = slot(thread);
  if (last_.thread != thread) last_.bytes = 0;
  writer_.thread(thread);
}

void ReferenceStream::supply_instruction() {
  if (last_.bytes == 0) {
    last_ = {thread_, assumed_.address, assumed_.bytes};
    ++assumed_count_;
  } else {
    ++repeated_;
  }
  writer_.instruction(VirtAddr(last_.address), last_.bytes);
  has_instruction_ = true;
}

const char* ReferenceStream::odd_access(AccessKind kind, uint64_t address, uint64_t bytes) {
  if (bytes == 0) return "an access of 0 bytes";
  if (bytes > kMostBytes) return "an access of more than 16 MiB";
  if (address + (bytes - 1) < address) return kWraps;
  ++split_;
  for (uint64_t done = 0; done < bytes; done += kMaxAccessBytes)
    access(kind, address + done, std::min<uint64_t>(kMaxAccessBytes, bytes - done));
  return nullptr;
}

void ReferenceStream::add_remarks(std::vector<Remark>& remarks) const {
  remarks.push_back(
      {fmt::format("instructions assumed at {:#x}, for data accesses of threads without any",
                   assumed_.address),
       assumed_count_});
  remarks.push_back(
      {"instructions executed again, for data accesses behind an event or another thread's",
       repeated_});
  remarks.push_back({"accesses of more than 4096 bytes, split", split_});
}

}  // namespace mmusim::trace
