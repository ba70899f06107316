-- What butler_registry.sql and butler_collections.sql leave out that is about files.
SET search_path = registry, public;
CREATE TABLE dataset_location (datastore_name text, dataset_id uuid REFERENCES dataset, PRIMARY KEY (datastore_name, dataset_id));
CREATE INDEX ON dataset_location (dataset_id);
CREATE TABLE dataset_location_trash (dataset_id uuid, datastore_name text, PRIMARY KEY (dataset_id, datastore_name));
CREATE TABLE file_datastore_records (dataset_id uuid, path text NOT NULL, formatter text NOT NULL, storage_class text NOT NULL, component varchar(32),
    checksum text, file_size bigint, PRIMARY KEY (dataset_id, component));
CREATE INDEX ON file_datastore_records (path);
