package jetstream

import (
	"context"
	"encoding/json"
	"time"
)

// StreamConfig is the configuration of a stream. A zero field selects the server's default.
type StreamConfig struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Subjects    []string `json:"subjects,omitempty"`
	Retention   string   `json:"retention"` // "limits", "interest" or "workqueue"
	Storage     string   `json:"storage"`   // "file" or "memory"
	Replicas    int      `json:"num_replicas,omitempty"`
	Discard     string   `json:"discard,omitempty"` // at a limit: "old" messages, or the "new" one

	MaxMessages   int64         `json:"max_msgs,omitempty"`
	MaxBytes      int64         `json:"max_bytes,omitempty"`
	MaxAge        time.Duration `json:"max_age,omitempty"`
	MaxPerSubject int64         `json:"max_msgs_per_subject,omitempty"`
	MaxMessage    int32         `json:"max_msg_size,omitempty"`
	Duplicates    time.Duration `json:"duplicate_window,omitempty"` // how long HeaderMsgID is remembered; default 2 min

	DenyDelete  bool `json:"deny_delete,omitempty"`
	AllowRollup bool `json:"allow_rollup_hdrs,omitempty"`
	AllowDirect bool `json:"allow_direct,omitempty"`
}

// StreamInfo is a stream with its state.
type StreamInfo struct {
	Config  StreamConfig `json:"config"`
	Created time.Time    `json:"created"`
	State   struct {
		Messages uint64 `json:"messages"`
		Bytes    uint64 `json:"bytes"`
		First    uint64 `json:"first_seq"`
		Last     uint64 `json:"last_seq"`
	} `json:"state"`
}

// CreateStream creates a stream. An existing stream with the same configuration is no error.
func (j *JetStream) CreateStream(ctx context.Context, config StreamConfig) (info StreamInfo, err error) {
	config.fill()
	err = j.call(ctx, "STREAM.CREATE."+config.Name, config, &info)
	return info, err
}

// SetSubjects changes only the subjects of a stream.
func (j *JetStream) SetSubjects(ctx context.Context, stream string, subjects []string) error {
	var info struct {
		Config map[string]json.RawMessage `json:"config"` // with the fields that StreamConfig does not know
	}
	if err := j.call(ctx, "STREAM.INFO."+stream, nil, &info); err != nil {
		return err
	}
	text, err := json.Marshal(subjects)
	if err != nil || info.Config == nil {
		return err
	}
	info.Config["subjects"] = text
	return j.call(ctx, "STREAM.UPDATE."+stream, info.Config, nil)
}

func (c *StreamConfig) fill() {
	if c.Retention == "" {
		c.Retention = "limits"
	}
	if c.Storage == "" {
		c.Storage = "file"
	}
}

// Stream returns a stream by its name. The error has CodeStreamNotFound if the stream does not exist.
func (j *JetStream) Stream(ctx context.Context, name string) (info StreamInfo, err error) {
	err = j.call(ctx, "STREAM.INFO."+name, nil, &info)
	return info, err
}

// StreamsOf returns the names of the streams that store a subject, or parts of a pattern. An empty list without an
// error means that the cluster has answered, and that no stream stores it.
func (j *JetStream) StreamsOf(ctx context.Context, subject string) (names []string, err error) {
	in := struct {
		Subject string `json:"subject"`
	}{subject}
	var out struct {
		Streams []string `json:"streams"`
	}
	err = j.call(ctx, "STREAM.NAMES", in, &out)
	return out.Streams, err
}
