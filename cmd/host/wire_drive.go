// Copyright 2026 The Gantry Authors.

package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/gantryhost/gantry/host/drive"
)

// driveSettings are the quotas of each tenant's knowledge base; 0 means the service's own.
type driveSettings struct {
	DriveDocuments int64
	DriveBytes     byteSize
}

// bindDrive declares the flags of every command, for each may open the data folder by itself.
func (s *driveSettings) bindDrive(f *pflag.FlagSet) {
	s.DriveBytes = drive.DefaultBytes
	f.Int64Var(&s.DriveDocuments, "drive-documents", drive.DefaultDocuments, "most documents in a tenant's knowledge base")
	f.Var(&s.DriveBytes, "drive-bytes", "most `bytes` of documents in a tenant's knowledge base")
}

// openDrive makes the knowledge base. Its indexes are opened when a tenant uses them.
func (a *app) openDrive(context.Context) error {
	var err error
	if a.drive, err = drive.New(drive.Config{
		Store: a.state, Dir: a.dir.join("drive"), Logger: a.log,
		MaxDocuments: a.s.DriveDocuments, MaxBytes: int64(a.s.DriveBytes),
	}); err != nil {
		return err
	}
	a.onClose("drive", func(context.Context) error { return a.drive.Close() })
	return nil
}
