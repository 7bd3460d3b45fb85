// Which files a program's code is of, as DynamoRIO's modules.log has it, which it writes beside its
// raw files at a process's end. By DynamoRIO's source (ext/drcovlib/modules.c, version 5;
// clients/drcachesim/tracer/instru_offline.cpp for what stands behind "v#"), it has of each segment
// of each file loaded at any time: start, end, offset in the file, path. It has no times, and does
// not say what was unloaded; neither has it rights, nor, but on Windows, anything to tell a build
// by.
#ifndef MMUSIM_TRACE_IMPORT_DRMEMTRACE_MODULES_H_
#define MMUSIM_TRACE_IMPORT_DRMEMTRACE_MODULES_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/types.h"

namespace mmusim::trace::drmemtrace {

struct Segment {
  VirtRange range;
  uint64_t offset = 0;  // in the file, of range.begin
  std::shared_ptr<const std::string> path;
};

// Segments of files of one process image, none of which overlap, in order of addresses.
class Modules {
 public:
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();

  Modules() = default;
  // Of the text of a modules.log; segments are taken as far as whole pages of so many bytes reach.
  // What overlaps was there at different times, and is left out; so is what is no file ([vdso]).
  // Errors: Error naming `path` and line where it cannot be understood.
  Modules(const std::string& path, std::string_view text, uint64_t page_bytes);

  // The segment that holds the address, and the range around it in which the answer is the same.
  struct Found {
    size_t segment;  // kNone: none
    VirtRange within;
  };
  [[nodiscard]] Found find(VirtAddr address) const;

  // The first that ends behind the address; size() if there is none.
  [[nodiscard]] size_t first_behind(VirtAddr address) const;

  [[nodiscard]] const Segment& operator[](size_t i) const { return segments_[i]; }
  [[nodiscard]] size_t size() const { return segments_.size(); }
  [[nodiscard]] uint64_t overlapping() const { return overlapping_; }  // left out

 private:
  std::vector<Segment> segments_;
  uint64_t overlapping_ = 0;
};

// The path of the image's modules.log, where DynamoRIO's own tools look for it: in its folder, or
// in "trace" or "raw" there. "": there is none.
std::string modules_log_in(const std::string& image_folder);

}  // namespace mmusim::trace::drmemtrace

#endif  // MMUSIM_TRACE_IMPORT_DRMEMTRACE_MODULES_H_
