package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite", in Go alone
)

// database has the results of all runs. Activities may run twice: what they write a second time takes the place of what they wrote the first time.
type database struct{ db *sql.DB }

const schema = `
CREATE TABLE IF NOT EXISTS runs (
	id           INTEGER PRIMARY KEY,
	instance_id  TEXT NOT NULL UNIQUE, -- of the orchestration
	organization TEXT NOT NULL,
	created_at   TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS samples (
	run_id        INTEGER NOT NULL REFERENCES runs (id),
	repository_id INTEGER NOT NULL,
	name          TEXT NOT NULL,
	url           TEXT NOT NULL,
	last_commit   TEXT, -- NULL when there is none
	too_old       INTEGER NOT NULL,
	PRIMARY KEY (run_id, repository_id)
);
CREATE TABLE IF NOT EXISTS languages (
	run_id       INTEGER NOT NULL REFERENCES runs (id),
	language     TEXT NOT NULL, -- empty when it is not known
	repositories INTEGER NOT NULL,
	PRIMARY KEY (run_id, language)
);`

// openDatabase opens the database in a file, and creates it when it is missing. The name ":memory:" stands for one in memory.
func openDatabase(ctx context.Context, file string) (*database, error) {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return nil, fmt.Errorf("opening the database %s: %w", file, err)
	}
	db.SetMaxOpenConns(1) // there is one writer anyway, and each connection to ":memory:" would have a database of its own
	for _, statement := range []string{"PRAGMA busy_timeout = 5000", "PRAGMA foreign_keys = ON", schema} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return nil, errors.Join(fmt.Errorf("opening the database %s: %w", file, err), db.Close())
		}
	}
	return &database{db}, nil
}

func (d *database) close() error { return d.db.Close() }

// createRun returns the id of the run of an instance, a new one or the one that it has.
func (d *database) createRun(ctx context.Context, instanceID, organization string) (id int64, err error) {
	const insert = `INSERT INTO runs (instance_id, organization, created_at) VALUES (?, ?, ?) ON CONFLICT (instance_id) DO NOTHING`
	err = d.inTransaction(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, insert, instanceID, organization, text(time.Now())); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT id FROM runs WHERE instance_id = ?`, instanceID).Scan(&id)
	})
	return id, err
}

func (d *database) saveSamples(ctx context.Context, runID int64, samples []Sample) error {
	const upsert = `INSERT INTO samples (run_id, repository_id, name, url, last_commit, too_old) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (run_id, repository_id) DO UPDATE SET name = excluded.name, url = excluded.url, last_commit = excluded.last_commit, too_old = excluded.too_old`
	return d.inTransaction(ctx, func(tx *sql.Tx) error {
		statement, err := tx.PrepareContext(ctx, upsert)
		if err != nil {
			return err
		}
		defer statement.Close()
		for _, s := range samples {
			lastCommit := sql.NullString{String: text(s.LastCommit), Valid: !s.LastCommit.IsZero()}
			if _, err := statement.ExecContext(ctx, runID, s.RepositoryID, s.Name, s.URL, lastCommit, s.TooOld); err != nil {
				return fmt.Errorf("sample %s: %w", s.Name, err)
			}
		}
		return nil
	})
}

func (d *database) saveLanguages(ctx context.Context, runID int64, count map[string]int) error {
	const upsert = `INSERT INTO languages (run_id, language, repositories) VALUES (?, ?, ?)
		ON CONFLICT (run_id, language) DO UPDATE SET repositories = excluded.repositories`
	return d.inTransaction(ctx, func(tx *sql.Tx) error {
		for language, n := range count {
			if _, err := tx.ExecContext(ctx, upsert, runID, language, n); err != nil {
				return fmt.Errorf("language %q: %w", language, err)
			}
		}
		return nil
	})
}

// summary is what a run has brought.
type summary struct {
	RunID     int64 `json:"runId"`
	Samples   int   `json:"samples"`
	TooOld    int   `json:"tooOld"`
	Languages int   `json:"languages"`
}

// summary counts what the run of an instance has brought.
func (d *database) summary(ctx context.Context, instanceID string) (s summary, err error) {
	const query = `SELECT id,
		(SELECT count(*) FROM samples WHERE run_id = id),
		(SELECT count(*) FROM samples WHERE run_id = id AND too_old),
		(SELECT count(*) FROM languages WHERE run_id = id)
		FROM runs WHERE instance_id = ?`
	err = d.db.QueryRowContext(ctx, query, instanceID).Scan(&s.RunID, &s.Samples, &s.TooOld, &s.Languages)
	return s, err
}

// inTransaction does all or nothing.
func (d *database) inTransaction(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// text writes a time so that texts are in the order of times.
func text(t time.Time) string { return t.UTC().Format(time.RFC3339) }
