// Copyright 2026 The Gantry Authors.

package pdk

import (
	"encoding/json"
	"iter"

	"github.com/gantryhost/gantry/abi"
)

// FileInfo describes a file or folder.
type FileInfo = abi.FileInfo

// Files is the plugin's folder for the calling tenant. Paths are relative, with slashes; "" is the
// folder itself. Reading needs Rights.Files, changing needs it to be "write".
type Files struct {
	ctx *Context
}

// Files returns the plugin's folder.
func (c *Context) Files() Files { return Files{c} }

// Read returns a whole file; abi.CodeNotFound where there is none.
func (f Files) Read(path string) ([]byte, error) {
	data, err := ask[abi.FileData](f.ctx, abi.OpFileRead, abi.FileRequest{Path: path})
	return data.Data, err
}

// Write puts a whole file in place, atomically, and makes the folders above it.
func (f Files) Write(path string, data []byte) error {
	_, err := ask[abi.FileInfo](f.ctx, abi.OpFileWrite, abi.FileWrite{Path: path, Data: data})
	return err
}

// List returns what is in a folder, in order of names.
func (f Files) List(dir string) ([]FileInfo, error) {
	list, err := ask[abi.FileList](f.ctx, abi.OpFileList, abi.FileRequest{Path: dir})
	return list.Entries, err
}

// Stat describes a file or folder; abi.CodeNotFound where there is none.
func (f Files) Stat(path string) (FileInfo, error) {
	return ask[abi.FileInfo](f.ctx, abi.OpFileStat, abi.FileRequest{Path: path})
}

// Delete removes a file or an empty folder; abi.CodeNotFound where there is none.
func (f Files) Delete(path string) error {
	_, err := ask[struct{}](f.ctx, abi.OpFileDelete, abi.FileRequest{Path: path})
	return err
}

// KV is the plugin's small key-value space for the calling tenant. A key has 1 to 512 bytes. All of
// it needs Rights.KV.
type KV struct {
	ctx *Context
}

// KV returns the plugin's key-value space.
func (c *Context) KV() KV { return KV{c} }

// Get returns an entry with its revision; abi.CodeNotFound where there is none.
func (k KV) Get(key string) (abi.KVEntry, error) {
	return ask[abi.KVEntry](k.ctx, abi.OpKVGet, abi.KVRequest{Key: key})
}

// Put writes a value, whatever was there.
func (k KV) Put(key string, value []byte) error {
	_, err := k.PutWith(abi.KVPut{Key: key, Value: value})
	return err
}

// PutWith writes with an end of life or only over an expected revision (else abi.CodeConflict), and
// returns the new entry without its value.
func (k KV) PutWith(put abi.KVPut) (abi.KVEntry, error) {
	return ask[abi.KVEntry](k.ctx, abi.OpKVPut, put)
}

// GetJSON decodes a value; false, and v untouched, where there is none.
func (k KV) GetJSON(key string, v any) (bool, error) {
	entry, err := k.Get(key)
	if CodeOf(err) == abi.CodeNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(entry.Value, v)
}

// PutJSON encodes and writes a value, whatever was there.
func (k KV) PutJSON(key string, v any) error {
	data, err := encodeJSON(v)
	if err != nil {
		return err
	}
	return k.Put(key, data)
}

// Delete removes an entry. Deleting what is not there is no error.
func (k KV) Delete(key string) error {
	_, err := ask[struct{}](k.ctx, abi.OpKVDelete, abi.KVRequest{Key: key})
	return err
}

// List returns a page of keys; see abi.KVList.
func (k KV) List(list abi.KVList) (abi.KVPage, error) {
	return ask[abi.KVPage](k.ctx, abi.OpKVList, list)
}

// Keys goes through all keys that begin with prefix, in order, page by page. An error ends it.
func (k KV) Keys(prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for list := (abi.KVList{Prefix: prefix}); ; {
			page, err := k.List(list)
			if err != nil {
				yield("", err)
				return
			}
			for _, e := range page.Entries {
				if !yield(e.Key, nil) {
					return
				}
			}
			if list.Cursor = page.Next; page.Next == "" {
				return
			}
		}
	}
}
