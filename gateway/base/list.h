// Intrusive doubly linked list: an object that is in it leaves it when it dies. No allocation. One thread.
#pragma once

namespace sallyport {

class ListNode {
 public:
  ListNode() noexcept : previous_(this), next_(this) {}
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  bool linked() const noexcept { return next_ != this; }
  void unlink() noexcept {
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = this;
  }

 private:
  template <class T>
  friend class List;
  ListNode* previous_;
  ListNode* next_;
};

// T derives from ListNode. The list does not own what is in it.
template <class T>
class List {
 public:
  bool empty() const noexcept { return !head_.linked(); }
  T* front() noexcept { return empty() ? nullptr : static_cast<T*>(head_.next_); }
  T* back() noexcept { return empty() ? nullptr : static_cast<T*>(head_.previous_); }
  void push_back(T& item) noexcept {
    ListNode& node = item;
    node.unlink();
    node.previous_ = head_.previous_;
    node.next_ = &head_;
    head_.previous_->next_ = &node;
    head_.previous_ = &node;
  }
  T* pop_front() noexcept {
    T* first = front();
    if (first != nullptr) static_cast<ListNode*>(first)->unlink();
    return first;
  }
  // The one behind `item`, or null.
  T* after(T& item) noexcept {
    ListNode* next = static_cast<ListNode&>(item).next_;
    return next == &head_ ? nullptr : static_cast<T*>(next);
  }
  // The one before `item`, or null.
  T* before(T& item) noexcept {
    ListNode* previous = static_cast<ListNode&>(item).previous_;
    return previous == &head_ ? nullptr : static_cast<T*>(previous);
  }

 private:
  ListNode head_;
};

}  // namespace sallyport
