"""What anyone would write first: a Celery task a photo, the FP32 file, every default as it comes."""

import os

import onnxruntime as ort
from celery import Celery

from pallor.image.decode import decode
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.messages import PredictCase, RecordPrediction
from pallor.release.manifest import Manifest
from pallor.store import open_store

app = Celery("obvious", broker=os.environ["PALLOR_BROKER_URL"])
app.conf.task_ignore_result = True
store = open_store(os.environ["PALLOR_STORE_URL"], make=False)
spec = PreprocessSpec.from_json(Manifest.from_json(__import__("json").loads(os.environ["BENCH_MANIFEST"])).preprocess)
session = None


@app.task(name=PredictCase.NAME)
def predict_case(payload: dict[str, str]) -> None:
    global session
    if session is None:
        session = ort.InferenceSession(os.environ["BENCH_MODEL"])
    photo = to_input(spec, decode(store.get(payload["object_key"])))
    probability, cam, embedding = session.run(None, {"rgb": photo[None]})
    answer = {"photo_id": payload["photo_id"], "probability": float(probability[0]), "cam": cam[0].tolist()}
    app.send_task(
        RecordPrediction.NAME,
        kwargs={"payload": answer | {"embedding": embedding[0].tolist()}},
        queue=RecordPrediction.QUEUE,
    )
