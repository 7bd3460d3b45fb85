// How the processes of a script on the real kernel are spoken to.
#ifndef MMUSIM_SIM_WORKLOAD_CHANNEL_H_
#define MMUSIM_SIM_WORKLOAD_CHANNEL_H_

#include <cstddef>

namespace mmusim::sim::workload {

// A pipe of records with one reader. Several may write records, which are smaller than PIPE_BUF.
struct Channel {
  int read_end = -1;
  int write_end = -1;

  static Channel make();  // Errors: Error
  void close_both() const;
  template <class Record>
  bool send(const Record& record) const {
    return put(&record, sizeof record);
  }
  template <class Record>
  bool receive(Record& record) const {
    return get(&record, sizeof record);
  }
  bool put(const void* bytes, size_t size) const;
  bool get(void* bytes, size_t size) const;
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_CHANNEL_H_
