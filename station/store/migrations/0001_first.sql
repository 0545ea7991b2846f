-- What every version needs. Tables of blocks (t_<name>) are created when first written.
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- The oldest version of the schema whose software may open this database.
INSERT INTO meta VALUES ('min_reader', '1');
CREATE TABLE q_outbox (id INTEGER PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE q_undelivered (id INTEGER PRIMARY KEY, row BLOB NOT NULL);
