// Traces for Python: read and written record by record.
//
// A record is a tuple (instruction, pid, tid, kind, address, bytes, event), numbered as
// `trace dump` numbers them; of an event address and bytes are None, of an access the event is.
// Not thread-safe; the GIL is held.
#ifndef MMUSIM_PYTHON_RECORDS_H_
#define MMUSIM_PYTHON_RECORDS_H_

#include <cstdint>
#include <pybind11/pybind11.h>
#include <string>
#include <vector>

#include "trace/dump.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace mmusim::python {

class TraceReader {
 public:
  // Errors: Error for what cannot be read, UsageError for a kind there is not.
  TraceReader(const std::string& path, bool accept_torn, const std::vector<std::string>& kinds);

  // Up to `most` records further; empty: the end. Errors: Error for a damaged chunk.
  pybind11::list read(size_t most);
  // What the trace is: header, totals (None of a torn one), hash.
  [[nodiscard]] pybind11::dict about() const;

 private:
  // Whether there is a batch that is not used up.
  bool has_batch();
  void access(pybind11::list& into, AccessKind kind, VirtAddr address, unsigned bytes);

  trace::Reader reader_;
  trace::KindSet kinds_ = trace::kAllKinds;
  trace::Batch batch_;
  bool has_batch_ = false;
  size_t block_ = 0;  // of the batch: the next
  const uint64_t* addresses_ = nullptr;
  uint64_t instruction_ = 0;
};

// REQUIREs of trace::Writer are errors here.
class TraceWriter {
 public:
  TraceWriter(const std::string& path, const std::string& isa, const std::string& program,
              uint64_t page, bool big_endian);

  void instruction(uint32_t pid, uint32_t tid, uint64_t address, uint64_t bytes);
  void access(const std::string& kind, uint64_t address, uint64_t bytes);
  void event(uint32_t pid, uint32_t tid, const std::string& kind, const pybind11::dict& fields);
  void finish();
  void abandon();

 private:
  void at_work() const;

  std::string path_;
  trace::Writer writer_;
  bool open_ = true;
  bool in_instruction_ = false;  // so that there may be an access
};

}  // namespace mmusim::python

#endif  // MMUSIM_PYTHON_RECORDS_H_
